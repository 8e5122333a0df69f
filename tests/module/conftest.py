"""The master notebook, cell by cell, and the points that it gives to a solution."""

import ast
import contextlib
import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import CodeType

import jupytext
import pytest
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cell:
    """One cell that nbgrader knows: given, solution, test, experiment or task."""

    kind: str
    name: str
    source: str
    points: float

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @cached_property
    def code(self) -> CodeType:
        return compile(self.tree, f"<{self.name}>", "exec")

    @cached_property
    def function(self) -> ast.FunctionDef:
        """The one function that a test or experiment cell defines."""
        (function,) = (node for node in self.tree.body if isinstance(node, ast.FunctionDef))
        return function


@dataclass(frozen=True)
class Verdict:
    """What one graded cell gave: its points, or none and the reason."""

    points: float
    error: Exception | None


class Notebook:
    """The master notebook; `grade` runs its graded cells against a solution."""

    def __init__(self, notebook: NotebookNode, config: Config) -> None:
        self.cells = list(map(read_cell, filter(is_graders, notebook.cells)))
        cleared, _ = ClearSolutions(config=config).preprocess(notebook, {})
        stubs = map(read_cell, filter(is_graders, cleared.cells))
        self.stubs = [cell for cell in stubs if cell.kind == "solution"]

    def of_kind(self, kind: str) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == kind]

    def grade(self, *solution: CodeType, seed: int = 0) -> dict[str, Verdict]:
        """Run the given cells and the solution, then each graded cell: its verdict by grade_id."""
        namespace: dict[str, object] = {"__name__": "__main__"}
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
            patch.setenv("TINYTORCH_CHECK_SEED", str(seed))
            patch.setenv("NBGRADER_EXECUTION", "autograde")  # no experiments
            for code in [*(cell.code for cell in self.of_kind("given")), *solution]:
                exec(code, namespace)  # noqa: S102 - the notebook, as its kernel would
            return {cell.name: run_test(cell, namespace) for cell in self.of_kind("test")}


def is_graders(cell: NotebookNode) -> bool:
    return "nbgrader" in cell.metadata


def read_cell(cell: NotebookNode) -> Cell:
    options = cell.metadata.nbgrader
    if options.grade:
        kind = "test"
    elif options.solution:
        kind = "solution"
    elif options.task:
        kind = "task"
    else:
        kind = "experiment" if "experiment" in cell.metadata.get("tags", []) else "given"
    return Cell(kind, options.grade_id, cell.source, options.get("points", 0))


def run_test(cell: Cell, namespace: dict[str, object]) -> Verdict:
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        try:
            exec(cell.code, namespace)  # noqa: S102
        except Exception as error:  # noqa: BLE001 - whatever a wrong solution makes of it
            return Verdict(0, error)
    if stderr.getvalue():  # stock nbgrader gives no points then
        return Verdict(0, RuntimeError(f"text on stderr: {stderr.getvalue()}"))
    return Verdict(cell.points, None)


@pytest.fixture(scope="session")
def notebook() -> Notebook:
    path = ROOT / "source/10_compression/compression_dev.py"
    config = PyFileConfigLoader("nbgrader_config.py", str(ROOT)).load_config()
    return Notebook(jupytext.read(path), config)


@pytest.fixture(scope="session")
def reference(notebook: Notebook) -> list[CodeType]:
    return [cell.code for cell in notebook.of_kind("solution")]
