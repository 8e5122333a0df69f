"""Examining: the sandbox around student code, and the examiner in front of it. See docs/wall.md."""
