"""An honest submission of the module earns the same behind the wall, without it, and where its
notebook simply runs."""

import os
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from grader.course.assignment import Assignment, read_assignment
from grader.course.classroom import Classroom, half_finished, syntax_error, untouched
from grader.submissions.submission import Submission, read_submission
from grader.wall.examine import Wall

from .conftest import ASSIGNMENT, NOTEBOOK, ROOT, read

SEED = 5
EVERY = 12  # of the wrong solutions one in so many


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    return read_assignment(ROOT / "source" / ASSIGNMENT / NOTEBOOK, ASSIGNMENT)


@pytest.fixture(scope="module")
def submissions(
    assignment: Assignment, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Submission]:
    """The reference, every other style, unfinished work and a sample of the mistakes."""
    release, source = (read(ROOT / step / ASSIGNMENT / NOTEBOOK) for step in ("release", "source"))
    room = Classroom.open(release, source, ROOT / "tests" / "module")
    answers = {f"style {i}": style for i, style in enumerate(room.styles)}
    for unfinished in (half_finished, untouched, syntax_error):
        answers[unfinished.__name__] = unfinished(room.styles[0])
    # who draws at random depends on what drew before, and that is not the same everywhere
    mistakes = [name for name in sorted(room.mistakes) if "random" not in name]
    answers |= {name: room.mistaken(name) for name in mistakes[::EVERY]}
    read_ones = {}
    for name, texts in answers.items():
        folder = tmp_path_factory.mktemp("submitted")
        nbformat.write(room.write(texts), folder / NOTEBOOK)
        read_ones[name] = read_submission(folder, assignment)
    return read_ones


@pytest.fixture(scope="module", params=[True, False], ids=["wall", "no wall"])
def wall(request: pytest.FixtureRequest, assignment: Assignment) -> Iterator[Wall]:
    with Wall(assignment, hidden=(ROOT,), protected=request.param) as wall:
        yield wall


def in_the_notebook(assignment: Assignment, submission: Submission) -> dict[str, bool]:
    """Which graded cells pass where all cells run in one process, in their order."""
    names: dict[str, object] = {"__name__": "__main__"}
    passed = {}
    for cell in assignment.given:
        exec(cell.source, names)  # noqa: S102 - our own notebook
    for cell in submission.cells:
        if cell.cell_type != "code" or cell.kind not in {"solution", "check"}:
            continue
        source = cell.source
        if cell.kind == "check":
            source = assignment.by_id[cell.grade_id or ""].source
        try:
            exec(source, names)  # noqa: S102 - our own tests' solutions
        except Exception:  # noqa: BLE001 - a check that fails, or a solution with an error
            error = True
        else:
            error = False
        if cell.kind == "check" and cell.grade_id:
            passed[cell.grade_id] = not error
    return passed


def test_nothing_is_noted_of_an_honest_submission(submissions: dict[str, Submission]) -> None:
    """The master's cells, as released, are known for what they are."""
    assert {name: read_one.notes for name, read_one in submissions.items() if read_one.notes} == {}


def test_the_same_scores(
    assignment: Assignment,
    submissions: dict[str, Submission],
    wall: Wall,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "TINYTORCH_CHECK_SEED", str(SEED))
    monkeypatch.setitem(os.environ, "NBGRADER_EXECUTION", "autograde")
    different = {}
    for name, submission in submissions.items():
        here = in_the_notebook(assignment, submission)
        there = {v.grade_id: v.passed for v in wall.examine(submission, SEED).verdicts}
        if name.startswith("style"):
            assert all(there.values()), name
        if here != there:
            different[name] = [check for check in there if here[check] != there[check]]
    assert not different
