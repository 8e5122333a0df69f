"""The quick way to write a notebook must write what nbformat writes."""

from __future__ import annotations

import copy
from typing import Any

import nbformat
from hypothesis import example, given
from hypothesis import strategies as st

from grader.engine.notebook_json import _LONGEST, writes

texts = st.text(max_size=30) | st.sampled_from(["a\nb\r\nc", '\u2028\x0b\x1f"\\/', "\ud83d\ude00"])
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
metadata = st.dictionaries(
    texts | st.sampled_from(["trusted", "signature"]),
    st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
bundles = st.dictionaries(
    st.sampled_from(["text/plain", "image/png", "image/svg+xml", "application/json"]), texts
)
outputs = (
    st.fixed_dictionaries({"output_type": st.just("stream"), "text": texts, "name": texts})
    | st.fixed_dictionaries({"output_type": st.just("display_data"), "data": bundles})
    | st.fixed_dictionaries({"output_type": st.just("error"), "traceback": st.lists(texts)})
)
code = st.fixed_dictionaries(
    {
        "cell_type": st.just("code"),
        "metadata": metadata,
        "source": texts,
        "outputs": st.lists(outputs, max_size=3),
    }
)
words = st.fixed_dictionaries(
    {
        "cell_type": st.just("markdown"),
        "metadata": metadata,
        "source": texts,
        "attachments": st.dictionaries(texts, bundles, max_size=2),
    }
)


LONG = {"cell_type": "markdown", "metadata": {}, "source": "long\n" * _LONGEST}


@example([LONG, LONG], {})
@given(st.lists(code | words, max_size=4), metadata)
def test_it_is_what_nbformat_writes(cells: list[Any], about: dict[str, Any]) -> None:
    notebook = nbformat.from_dict(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": about, "cells": cells}
    )
    expected, before = nbformat.v4.writes_json(copy.deepcopy(notebook)), copy.deepcopy(notebook)
    assert writes(notebook) == expected
    assert notebook == before


def test_a_cell_that_changes_is_written_anew() -> None:
    cell = {"cell_type": "markdown", "metadata": {"trusted": True}, "source": "a\nb"}
    notebook = nbformat.from_dict({"metadata": {}, "cells": [cell]})
    before = writes(notebook)
    assert writes(notebook) == before
    notebook.cells[0].source = "c"
    assert writes(notebook) == before.replace('"a\\n",\n    "b"', '"c"') != before
