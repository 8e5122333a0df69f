"""The master notebook and its percent-format twin, each made from the other.

The twin is what people review; the notebook is derived from it and holds nothing else: no outputs,
no editor's metadata, and cell ids that depend on the cells alone, so that the same text gives the
same file, byte for byte.
"""

import argparse
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

CELL_METADATA = ("nbgrader", "tags")


class TwinError(Exception):
    """A notebook or twin that cannot be read; the message says what to do."""


def notebook_from_text(text: str) -> NotebookNode:
    """The notebook that a twin stands for."""
    return _clean(jupytext.reads(text, fmt="py:percent"))


def text_from_notebook(notebook: NotebookNode) -> str:
    """The twin of a notebook: sources, nbgrader's metadata, tags and the kernel."""
    notebook = _clean(notebook)
    notebook.metadata["jupytext"] = {
        "notebook_metadata_filter": "kernelspec,-all",
        "cell_metadata_filter": ",".join((*CELL_METADATA, "-all")),
    }
    return str(jupytext.writes(notebook, fmt="py:percent"))


def read_notebook(path: Path) -> NotebookNode:
    """The notebook in a file. Raises TwinError with one clear line where there is none."""
    try:
        notebook: NotebookNode = nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise TwinError(f"{path} does not exist: check the path") from None
    except (nbformat.reader.NotJSONError, UnicodeDecodeError):
        raise TwinError(f"{path} is not valid JSON: restore it from git") from None
    language = notebook.metadata.get("kernelspec", {}).get("language", "python")
    if language != "python":
        raise TwinError(f"{path} is for {language}: choose the kernel Python 3 (ipykernel)")
    return notebook


def check(twin: Path, path: Path) -> None:
    """Raise TwinError where the cells of a notebook and of its twin differ."""
    if _clean(read_notebook(path)) != notebook_from_text(_read_text(twin)):
        raise TwinError(
            f"{path} and {twin.name} differ: run `make twin` if the notebook was edited, "
            "`make notebook` if the twin was"
        )


def _clean(notebook: NotebookNode) -> NotebookNode:
    cells = []
    seen: set[str] = set()
    for old in notebook.cells:
        metadata = {name: old.metadata[name] for name in CELL_METADATA if name in old.metadata}
        new: Any = new_code_cell if old.cell_type == "code" else new_markdown_cell
        cells.append(new(old.source, id=_cell_id(old, seen), metadata=metadata))
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    clean: NotebookNode = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    return clean


def _cell_id(cell: NotebookNode, seen: set[str]) -> str:
    """The grade_id, else a digest of the source; the second cell of one name gets a number."""
    name = cell.metadata.get("nbgrader", {}).get("grade_id")
    name = name or hashlib.sha256(cell.source.encode()).hexdigest()[:12]
    unique, count = name[:60], 1
    while unique in seen:
        count += 1
        unique = f"{name[:60]}-{count}"
    seen.add(unique)
    return unique


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TwinError(f"{path} does not exist: check the path") from None


def _write(text: str, path: Path) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise TwinError(f"cannot write {path}: {error.strerror}; nothing was changed") from error


def main(argv: list[str] | None = None) -> int:
    """Bring a notebook and its twin in step, or check that they are."""
    parser = argparse.ArgumentParser(prog="python -m grader.course.twin", description=main.__doc__)
    parser.add_argument(
        "counts",
        choices=["notebook", "twin", "check"],
        help="the one that was edited and counts, or check: say whether they are in step",
    )
    parser.add_argument("twin", type=Path, help="the .py file; the notebook has its name")
    arguments = parser.parse_args(argv)
    twin: Path = arguments.twin
    path = twin.with_suffix(".ipynb")
    try:
        if arguments.counts == "check":
            check(twin, path)
            return 0
        if arguments.counts == "twin":
            notebook = notebook_from_text(_read_text(twin))
        else:
            notebook = _clean(read_notebook(path))
        _write(text_from_notebook(notebook), twin)
        _write(nbformat.writes(notebook) + "\n", path)
    except TwinError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
