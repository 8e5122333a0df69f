"""A whole class: examine in parallel, record by one writer, make the pages. See docs/scale.md."""
