"""What an assignment contains, read from its source notebook; the master that submissions meet."""

from __future__ import annotations

import ast
import copy
import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

# nbgrader is imported where a source is read: the processes that only get an Assignment sent start
# in half the time without it.
if TYPE_CHECKING:
    from nbformat import NotebookNode
    from nbgrader.api import Gradebook
    from traitlets.config import Config

Kind = Literal["given", "solution", "check", "answer", "task", "experiment", "text"]


class AssignmentError(Exception):
    """The source notebook cannot be graded with; the message says what to do."""


@dataclass(frozen=True)
class MasterCell:
    """One cell of the source notebook that has a grade_id.

    source: with hidden tests; visible: as released. released: the checksum nbgrader gives the
    released cell, by which an untouched answer is recognised.
    """

    grade_id: str
    kind: Kind
    cell_type: str
    source: str
    visible: str
    points: float
    locked: bool
    released: str

    @property
    def hidden(self) -> bool:
        return self.kind == "check" and self.source != self.visible

    def metadata(self) -> dict[str, Any]:
        """nbgrader's metadata for this cell in a graded notebook."""
        graded = self.kind in {"check", "answer"}
        data: dict[str, Any] = {
            "grade": graded,
            "grade_id": self.grade_id,
            "locked": self.locked,
            "schema_version": 3,
            "solution": self.kind in {"solution", "answer"},
            "task": self.kind == "task",
            "cell_type": self.cell_type,
            "checksum": self.released,
        }
        if graded or self.kind == "task":
            data["points"] = self.points
        return data


@dataclass(frozen=True)
class StudentClass:
    """A class the student has to define, and the plain methods that the master's has."""

    name: str
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Assignment:
    """One notebook of an assignment. Immutable and picklable; equal contents, equal `digest`.

    texts: the Markdown cells without a grade_id, which may be shown as Markdown where a submission
    has them unchanged. attachments: their pictures, as JSON, by text.
    """

    name: str
    notebook: str
    cells: tuple[MasterCell, ...]
    functions: tuple[str, ...]
    classes: tuple[StudentClass, ...]
    texts: tuple[str, ...]
    attachments: tuple[str, ...]
    metadata: str = field(repr=False)

    @cached_property
    def by_id(self) -> dict[str, MasterCell]:
        return {cell.grade_id: cell for cell in self.cells}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that grading depends on."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def checks(self) -> tuple[MasterCell, ...]:
        return tuple(cell for cell in self.cells if cell.kind == "check")

    @property
    def questions(self) -> tuple[MasterCell, ...]:
        return tuple(cell for cell in self.cells if cell.kind == "task")

    @property
    def given(self) -> tuple[MasterCell, ...]:
        return tuple(cell for cell in self.cells if cell.kind == "given")

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def read_assignment(source: Path, name: str, config: Config | None = None) -> Assignment:
    """Read a source notebook (.ipynb).

    config: the course's configuration, for how solutions are cleared (`ClearSolutions`).
    Raises AssignmentError.
    """
    import nbformat  # noqa: PLC0415
    from traitlets.config import Config  # noqa: PLC0415

    try:
        notebook = nbformat.read(source, as_version=4)
    except OSError as error:
        raise AssignmentError(f"{source} cannot be read ({error.strerror})") from None
    except Exception as error:
        raise AssignmentError(f"{source} is not a notebook: {error}") from error
    return _Reader(name, source.stem, notebook, config or Config()).assignment()


def source_notebooks(folder: Path) -> list[Path]:
    """The notebooks of an assignment's source folder, in order. Raises AssignmentError."""
    found = sorted(folder.glob("*.ipynb"))
    if not found:
        raise AssignmentError(f"no notebook in {folder}; is the assignment's name right?")
    return found


def given_files(
    folder: Path, ignore: Collection[str], excluded: Collection[str]
) -> dict[str, bytes]:
    """An assignment's own files beside its notebooks, by path in its source folder.

    They replace a submission's. ignore: patterns of names (`CourseDirectory.ignore`). excluded:
    paths of those that students may change (`Autograde.exclude_overwriting`).
    """
    from nbgrader.utils import find_all_files  # noqa: PLC0415

    found = map(Path, find_all_files(str(folder), [*ignore, "*.ipynb"]))
    paths = {str(path.relative_to(folder)): path for path in found}
    return {name: path.read_bytes() for name, path in paths.items() if name not in excluded}


class _Reader:
    def __init__(self, name: str, stem: str, notebook: NotebookNode, config: Config) -> None:
        self._name, self._stem = name, stem
        self._notebook = notebook
        self._config = config

    def assignment(self) -> Assignment:
        from nbgrader.preprocessors import (  # noqa: PLC0415
            ClearHiddenTests,
            ClearMarkScheme,
            ClearSolutions,
        )
        from nbgrader.utils import is_locked  # noqa: PLC0415

        released, _ = ClearSolutions(config=self._config).preprocess(
            copy.deepcopy(self._notebook), {}
        )
        checksums = [_checksum(cell) for cell in released.cells]
        visible, _ = ClearHiddenTests(config=self._config).preprocess(copy.deepcopy(released), {})
        visible, _ = ClearMarkScheme(config=self._config).preprocess(visible, {})
        cells, texts, attachments = [], [], []
        solutions: list[ast.stmt] = []
        for master, stub, shown, checksum in zip(
            self._notebook.cells, released.cells, visible.cells, checksums, strict=True
        ):
            kind = _kind(master)
            if kind is None:
                if master.cell_type == "markdown":
                    texts.append(master.source)
                    attachments.append(json.dumps(master.get("attachments", {})))
                continue
            nbgrader = master.metadata.nbgrader
            source = stub.source if kind in {"solution", "answer"} else master.source
            cells.append(
                MasterCell(
                    grade_id=nbgrader.grade_id,
                    kind=kind,
                    cell_type=master.cell_type,
                    source=source,
                    visible=shown.source,
                    points=float(nbgrader.get("points", 0)),
                    locked=bool(is_locked(master)),
                    released=checksum,
                )
            )
            if kind == "solution":
                solutions += self._parse(nbgrader.grade_id, master.source)
            elif kind in {"given", "check"} and master.cell_type == "code":
                self._parse(nbgrader.grade_id, master.source)
        ids = [cell.grade_id for cell in cells]
        if twice := {grade_id for grade_id in ids if ids.count(grade_id) > 1}:
            raise AssignmentError(f"{self._stem}: grade_id used twice: {', '.join(sorted(twice))}")
        kernel = dict(self._notebook.metadata.get("kernelspec", {}))
        return Assignment(
            name=self._name,
            notebook=self._stem,
            cells=tuple(cells),
            functions=tuple(dict.fromkeys(_functions(solutions))),
            classes=tuple(
                StudentClass(node.name, tuple(_methods(node)))
                for node in solutions
                if isinstance(node, ast.ClassDef)
            ),
            texts=tuple(texts),
            attachments=tuple(attachments),
            metadata=json.dumps({"kernelspec": kernel}, sort_keys=True),
        )

    def _parse(self, grade_id: str, source: str) -> list[ast.stmt]:
        try:
            return ast.parse(source).body
        except SyntaxError as error:
            raise AssignmentError(
                f"{self._stem}: cell {grade_id} is not plain Python (line {error.lineno}: "
                f"{error.msg}); given, solution and test cells have to be"
            ) from error


def _kind(cell: NotebookNode) -> Kind | None:
    from nbgrader.utils import is_grade, is_solution, is_task  # noqa: PLC0415

    if "grade_id" not in cell.metadata.get("nbgrader", {}):
        return None
    if is_task(cell):
        return "task"
    if is_grade(cell):
        automatic = cell.cell_type == "code" and not is_solution(cell)
        return "check" if automatic else "answer"
    if is_solution(cell):
        return "solution" if cell.cell_type == "code" else "answer"
    if cell.cell_type != "code":
        return "text"
    return "experiment" if "experiment" in cell.metadata.get("tags", []) else "given"


def _checksum(cell: NotebookNode) -> str:
    from nbgrader.utils import compute_checksum  # noqa: PLC0415

    return str(compute_checksum(cell)) if _kind(cell) is not None else ""


def _functions(statements: list[ast.stmt]) -> Iterator[str]:
    """Names that solutions bind at top level, classes and private helpers apart."""
    for node in statements:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _methods(node: ast.ClassDef) -> Iterator[str]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and not item.decorator_list:
            yield item.name


def compare_with_gradebook(assignment: Assignment, gradebook: Gradebook) -> None:
    """Raise AssignmentError where the gradebook's saved cells are not this source's."""
    from nbgrader.api import MissingEntry  # noqa: PLC0415

    try:
        saved = gradebook.find_notebook(assignment.notebook, assignment.name).source_cells
    except MissingEntry:
        saved = []
    now = {cell.grade_id: (cell.cell_type, cell.locked, cell.released) for cell in assignment.cells}
    then = {cell.name: (cell.cell_type, bool(cell.locked), cell.checksum) for cell in saved}
    if now != then:
        changed = sorted(name for name in {*now, *then} if now.get(name) != then.get(name))
        raise AssignmentError(
            f"the source of {assignment.name} differs from the gradebook's (cell {changed[0]}, "
            f"{len(changed)} in all): run `nbgrader generate_assignment {assignment.name}`; "
            "nothing was graded"
        )
