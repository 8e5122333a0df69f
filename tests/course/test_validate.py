"""What `nbgrader validate` says in a student's JupyterLab is what the wall says of the same
visible tests, cell by cell."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.utils import is_solution
from nbgrader.validator import Validator

from grader.course.assignment import Assignment, read_assignment
from grader.course.classroom import Answers, Classroom, half_finished, syntax_error, untouched
from grader.submissions.submission import read_submission
from grader.wall.examine import Wall

from .conftest import ASSIGNMENT, NOTEBOOK, ROOT, read

MISTAKEN = 4  # notebooks with a mistake in every cell
CARELESS = (
    "import os, sys, warnings; warnings.warn('careful'); os.chdir('/'); sys.stdout.close()",
    "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show(); np.random.seed(1)",
    "print('worse', file=sys.stderr); input('nobody answers')",
    "def broken(:",
)
"""Cells of a student's own; whether or not they fail, no point depends on them."""


@pytest.fixture(scope="module")
def room() -> Classroom:
    release, source = (read(ROOT / step / ASSIGNMENT / NOTEBOOK) for step in ("release", "source"))
    return Classroom.open(release, source, ROOT / "tests" / "module")


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    """The assignment as it is graded, but for its hidden tests, which no student has."""
    master = read_assignment(ROOT / "source" / ASSIGNMENT / NOTEBOOK, ASSIGNMENT)
    return replace(master, cells=tuple(replace(cell, source=cell.visible) for cell in master.cells))


@pytest.fixture(scope="module")
def wall(assignment: Assignment) -> Iterator[Wall]:
    with Wall(assignment, hidden=(ROOT,)) as wall:
        yield wall


def many_mistakes(room: Classroom, student: int) -> Answers:
    """A mistake in every cell, another one for each of the students."""
    answers = dict(room.styles[0])
    for name in room.styles[0]:
        mistakes = [made for _, made in sorted(room.mistakes.items()) if list(made) == [name]]
        answers |= mistakes[student * len(mistakes) // MISTAKEN]
    return answers


def notebooks(room: Classroom) -> dict[str, NotebookNode]:
    """Right, unfinished, careless and wrong work, as a student has it on validating."""
    right = room.styles[0]
    found = {f"style {i}": room.write(style) for i, style in enumerate(room.styles[:2])}
    for unfinished in (half_finished, untouched, syntax_error):
        found[unfinished.__name__] = room.write(unfinished(right))
    for student in range(MISTAKEN):
        found[f"mistakes {student}"] = room.write(many_mistakes(room, student))
    found["careless"] = careless = room.write(right)
    first = next(i for i, cell in enumerate(careless.cells) if is_solution(cell))
    careless.cells[first:first] = map(new_code_cell, CARELESS)
    return found


def failed_by_validate(path: Path, assignment: Assignment) -> set[str]:
    """The graded cells that the Validate button says fail, by the same call; a kernel runs all."""
    said = Validator().validate(str(path))
    assert said.keys() <= {"failed"}, said
    names = {cell.visible.strip(): cell.grade_id for cell in assignment.checks}
    return {names[cell["source"]] for cell in said.get("failed", [])}


def test_validate_and_the_wall_give_the_same_verdicts(
    room: Classroom,
    assignment: Assignment,
    wall: Wall,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    by_validate, by_the_wall = {}, {}
    for name, notebook in notebooks(room).items():
        path = tmp_path / name / NOTEBOOK
        path.parent.mkdir()
        nbformat.write(notebook, path)
        by_validate[name] = failed_by_validate(path, assignment)
        verdicts = wall.examine(read_submission(path.parent, assignment)).verdicts
        by_the_wall[name] = {verdict.grade_id for verdict in verdicts if not verdict.passed}
    assert by_the_wall == by_validate
    conditions = by_validate["untouched"]
    for name, failed in by_validate.items():
        if name.startswith("mistakes"):
            assert set() < failed < conditions, name
        elif name == "careless" or name.startswith("style"):
            assert not failed, name
