"""Makes a module of the library from a solved notebook: the cells that begin with `#| export`.

    python -m tinytorch.export compression_dev.ipynb

writes tinytorch/core/compression.py, which the next module imports. The file appears whole or not
at all.
"""

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MARK = re.compile(r"#\s*\|\s*export\b")
MAGIC = re.compile(r"\s*[%!]")
STUB = "this is where your own code goes"
NOTE = "edit the notebook and export again, not this file."


class ExportError(Exception):
    """A notebook that cannot be exported; the message says what to do."""


def export(notebook: Path, target: Path) -> list[str]:
    """Write the exported cells of a notebook to `target` and return the names it defines.

    Raises ExportError, and leaves `target` as it was, where the notebook cannot be read, is not
    solved yet or does not import.
    """
    cells = exported_cells(read_cells(notebook))
    if not cells:
        raise ExportError(f"{notebook} has no cell that begins with '#| export': nothing to export")
    trees = [_parse(source, number, notebook) for number, source in cells]
    unsolved = [name for tree in trees for name in _unsolved(tree)]
    if unsolved:
        raise ExportError(f"{notebook} is not solved yet: write {', '.join(unsolved)} first")
    names = list(dict.fromkeys(name for tree in trees for name in _public_names(tree)))
    _install(_module(notebook.name, names, [source.strip("\n") for _, source in cells]), target)
    return names


def read_cells(notebook: Path) -> list[tuple[int, str]]:
    """Number (counted from 1) and source of each code cell of a Python notebook."""
    try:
        content = json.loads(notebook.read_text(encoding="utf-8-sig"))
        cells = content["cells"]
        kernel = content["metadata"].get("kernelspec", {}).get("language", "python")
        sources = [
            (number, "".join(cell["source"]))
            for number, cell in enumerate(cells, 1)
            if cell["cell_type"] == "code"
        ]
    except FileNotFoundError:
        raise ExportError(f"{notebook} does not exist: check the path") from None
    except OSError as error:
        raise ExportError(f"cannot read {notebook}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ExportError(
            f"{notebook} is not valid JSON (line {error.lineno}): save it again in JupyterLab"
        ) from None
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError):
        raise ExportError(
            f"{notebook} is not a notebook of format 4: open it in JupyterLab and save it again"
        ) from None
    if kernel.lower() != "python":
        raise ExportError(f"{notebook} is a notebook for {kernel}: export needs one for Python")
    return sources


def exported_cells(cells: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """The cells whose first line is `#| export`, without that line and without magics."""
    marked = []
    for number, source in cells:
        first, _, rest = source.lstrip().partition("\n")
        if MARK.match(first):
            marked.append((number, _without_magics(rest)))
    return marked


def _without_magics(source: str) -> str:
    """Empty lines that begin with % or !, unless they are Python (a long expression's operator)."""
    try:
        ast.parse(source)
    except SyntaxError:
        return "\n".join("" if MAGIC.match(line) else line for line in source.split("\n"))
    return source


def _parse(source: str, number: int, notebook: Path) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise ExportError(
            f"{notebook}, cell {number} does not parse: {error.msg} in line "
            f"{(error.lineno or 0) + 1} of the cell"
        ) from None


def _unsolved(tree: ast.Module) -> list[str]:
    """The functions in which the stub still stands, methods as Class.method."""
    found = []
    for node in tree.body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        found += [
            prefix + part.name
            for part in inside
            if isinstance(part, ast.FunctionDef) and any(map(_is_stub, ast.walk(part)))
        ]
    return found


def _is_stub(node: ast.AST) -> bool:
    return isinstance(node, ast.Raise) and STUB in ast.unparse(node)


def _public_names(tree: ast.Module) -> list[str]:
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]


def _module(origin: str, names: list[str], sources: list[str]) -> str:
    listed = "".join(f'    "{name}",\n' for name in names)
    header = f'"""Made from {origin} by `python -m tinytorch.export`; {NOTE}"""\n'
    return "\n\n\n".join([f"{header}\n__all__ = [\n{listed}]", *sources]) + "\n"


def _install(text: str, target: Path) -> None:
    """Put the text in place, if it imports in a fresh Python."""
    if target.exists() and NOTE not in target.read_text(encoding="utf-8", errors="replace"):
        raise ExportError(f"{target} was not made by an export: it is not overwritten")
    try:
        handle, partial = tempfile.mkstemp(".py", ".export-", target.parent)
    except OSError as error:
        raise ExportError(f"cannot write {target}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        check = [sys.executable, "-c", "import runpy, sys; runpy.run_path(sys.argv[1])", partial]
        result = subprocess.run(check, capture_output=True, text=True, check=False)
        if result.returncode:
            lines = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
            raise ExportError(f"the exported cells do not import: {lines[-1]}")
        os.chmod(partial, 0o644)
        os.replace(partial, target)
    finally:
        Path(partial).unlink(missing_ok=True)


def main(argv: list[str] | None = None) -> int:
    """Export a solved notebook to tinytorch/core/compression.py."""
    parser = argparse.ArgumentParser(prog="python -m tinytorch.export", description=main.__doc__)
    parser.add_argument("notebook", type=Path, help="a solved compression_dev.ipynb")
    parser.add_argument(
        "--to",
        type=Path,
        default=Path(__file__).parent / "core" / "compression.py",
        help="the module to write (default: in the installed library)",
    )
    arguments = parser.parse_args(argv)
    try:
        names = export(arguments.notebook, arguments.to)
    except ExportError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{arguments.to}: {', '.join(names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
