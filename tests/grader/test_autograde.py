"""`nbgrader autograde`, `NbGraderAPI` and feedback, with the wall, in a course of their own."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_markdown_cell
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.converters.autograde import Autograde
from nbgrader.converters.base import NbGraderException
from traitlets.config import Config
from wall_course import CHECKS, STUBS, TOKEN, TOTAL, answers, notebook, write_source

from grader.plugins.autograde import use_wall
from grader.wall.sandbox import UNPROTECTED_WARNING

# nbgrader's own queries warn
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")

FOUL = "def prune(layer, ratio=0.5):\n    return None"
STUDENTS: dict[str, Any] = {
    "good": notebook(),
    "untouched": notebook(STUBS),
    "half": notebook(answers(prune=FOUL)),
    "spa ce": notebook(),
    "glob[1]*?": notebook(),
    "$(touch x);é": notebook(),
    "empty": None,
}


def config(course: Path, **limits: float) -> Config:
    c = Config()
    c.CourseDirectory.root = str(course)
    c.CourseDirectory.course_id = "tested"
    c.LateSubmissionPlugin.penalty_method = "zero"
    c.WalledAutograde.limits = {"check_seconds": 5.0, **limits}
    use_wall(c)
    return c


def submit(course: Path, student: str, node: Any, timestamp: str = "") -> Path:
    folder = course / "submitted" / student / "small"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "small.ipynb").write_text("" if node is None else json.dumps(node))
    if timestamp:
        (folder / "timestamp.txt").write_text(timestamp)
    return folder


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with a class that was graded once, by one call."""
    course = tmp_path_factory.mktemp("course")
    write_source(course)
    (course / "source" / "small" / "figure.txt").write_text("a picture of the course's")
    api = NbGraderAPI(config=config(course))
    assert api.generate_assignment("small")["success"]
    for student, node in STUDENTS.items():
        submit(course, student, node)
    (course / "submitted" / "good" / "small" / "diary.txt").write_text("private")
    (course / "submitted" / "good" / "small" / "link.db").symlink_to(course / "gradebook.db")
    return course


@pytest.fixture(scope="module")
def graded(course: Path) -> dict[str, Any]:
    result: dict[str, Any] = NbGraderAPI(config=config(course)).autograde("small", "*")
    return result


def scores(course: Path, student: str) -> dict[str, float | None]:
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        notebook = gradebook.find_submission_notebook("small", "small", student)
        return {grade.name: grade.auto_score for grade in notebook.grades}


def autograded(course: Path, student: str) -> Path:
    return course / "autograded" / student / "small"


RIGHT = {name: float(points) for name, (points, _) in CHECKS.items()}


def test_verdicts_are_recorded(course: Path, graded: dict[str, Any]) -> None:
    assert scores(course, "good") == RIGHT | {"why": None}
    assert scores(course, "untouched") == dict.fromkeys(RIGHT, 0.0) | {"why": None}
    lost = {"test_prune": 0.0, "test_prune-refuses": 0.0}
    assert scores(course, "half") == RIGHT | lost | {"why": None}


def test_odd_student_ids_work(course: Path, graded: dict[str, Any]) -> None:
    for student in ("spa ce", "glob[1]*?", "$(touch x);é"):
        assert scores(course, student) == RIGHT | {"why": None}


def test_one_broken_submission_is_listed_and_stops_nothing(
    course: Path, graded: dict[str, Any]
) -> None:
    assert not graded["success"]
    assert "1 of 7 submissions could not be graded" in graded["log"]
    assert "  empty: small.ipynb is empty" in graded["log"]
    assert not autograded(course, "empty").exists()
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        assert "empty" not in {student.id for student in gradebook.students}


def test_nothing_of_a_submission_is_copied_but_its_cells(
    course: Path, graded: dict[str, Any]
) -> None:
    found = {path.name for path in autograded(course, "good").iterdir()}
    assert {"small.ipynb", "figure.txt"} <= found
    assert not {"diary.txt", "link.db"} & found


def test_nothing_hidden_is_in_what_a_student_gets(course: Path, graded: dict[str, Any]) -> None:
    api = NbGraderAPI(config=config(course))
    for student in STUDENTS:
        if student == "empty":
            continue
        assert api.generate_feedback("small", student)["success"], student
        page = (course / "feedback" / student / "small" / "small.html").read_text()
        assert TOKEN not in page
        assert TOKEN not in (autograded(course, student) / "small.ipynb").read_text()
        assert "test_sparsity-random" in page


def test_hidden_tests_are_shown_after_the_deadline_where_the_course_says_so(
    course: Path, graded: dict[str, Any]
) -> None:
    c = config(course)
    use_wall(c, show_hidden_tests_after_deadline=True)
    api = NbGraderAPI(config=c)
    page = course / "feedback" / "half" / "small" / "small.html"
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        for days, shown in ((1, False), (-1, True)):
            due = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(days=days)
            gradebook.update_or_create_assignment("small", duedate=due)
            assert api.generate_feedback("small", "half")["success"]
            assert (TOKEN in page.read_text()) is shown
        gradebook.update_or_create_assignment("small", duedate=None)


def test_grading_again_skips_what_is_graded_and_force_does_not(
    course: Path, graded: dict[str, Any]
) -> None:
    api = NbGraderAPI(config=config(course))
    path = autograded(course, "good") / "small.ipynb"
    before = path.stat().st_mtime_ns, path.read_bytes()
    assert api.autograde("small", "good", force=False)["success"]
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before
    assert api.autograde("small", "good", force=True)["success"]
    assert path.stat().st_mtime_ns != before[0]
    assert path.read_bytes() == before[1]


def test_a_manual_grade_is_kept_and_marked_for_review(course: Path, graded: dict[str, Any]) -> None:
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        grade = gradebook.find_grade("test_prune", "small", "small", "half")
        grade.manual_score = 1.5
        gradebook.db.commit()
    assert NbGraderAPI(config=config(course)).autograde("small", "half")["success"]
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        grade = gradebook.find_grade("test_prune", "small", "small", "half")
        assert (grade.manual_score, grade.auto_score, grade.needs_manual_grade) == (1.5, 0.0, True)
        grade.manual_score = None
        gradebook.db.commit()


def test_a_graded_answer_that_changed_is_marked_for_review(course: Path, graded: Any) -> None:
    def regraded(answer: str) -> tuple[float, bool]:
        node = notebook()
        node.cells.append(new_markdown_cell(answer))
        submit(course, "writer", node)
        assert NbGraderAPI(config=config(course)).autograde("small", "writer")["success"]
        with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
            grade = gradebook.find_grade("why", "small", "small", "writer")
            found = grade.manual_score, grade.needs_manual_grade
            grade.manual_score, grade.needs_manual_grade = 4, False
            gradebook.db.commit()
        return found

    assert regraded("Because.") == (None, True)
    assert regraded("Because.") == (4, False)
    assert regraded("Because of the weights.") == (4, True)


def test_a_late_submission_has_nbgraders_penalty(course: Path, graded: dict[str, Any]) -> None:
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        gradebook.update_or_create_assignment("small", duedate="2030-01-01 00:00:00 UTC")
    submit(course, "late", notebook(), "2030-01-01 01:00:00 UTC")
    try:
        assert NbGraderAPI(config=config(course)).autograde("small", "late")["success"]
        with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
            late = gradebook.find_submission_notebook("small", "small", "late")
            assert late.late_submission_penalty == TOTAL
            assert late.assignment.timestamp == dt.datetime(2030, 1, 1, 1)
    finally:
        with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
            gradebook.update_or_create_assignment("small", duedate=None)


@pytest.mark.parametrize("text", ["tomorrow-ish", "\x00\x01", "9" * 900])
def test_a_timestamp_that_is_none_is_told(course: Path, text: str) -> None:
    submit(course, "timeless", notebook(), text)
    result = NbGraderAPI(config=config(course)).autograde("small", "timeless")
    assert not result["success"]
    assert "timestamp.txt holds no date" in result["log"]
    assert not autograded(course, "timeless").exists()


def test_a_link_for_a_timestamp_is_not_followed(course: Path) -> None:
    folder = submit(course, "linked", notebook())
    (folder / "timestamp.txt").symlink_to(course / "gradebook.db")
    result = NbGraderAPI(config=config(course)).autograde("small", "linked")
    assert "timestamp.txt is a symbolic link" in result["log"]


def test_a_gradebook_of_another_source_stops_everything(tmp_path: Path) -> None:
    write_source(tmp_path)
    submit(tmp_path, "good", notebook())
    result = NbGraderAPI(config=config(tmp_path)).autograde("small", "good")
    assert "run `nbgrader generate_assignment small`" in result["log"]
    assert not (tmp_path / "autograded").exists()


def test_no_execute_is_refused(course: Path) -> None:
    c = config(course)
    c.Execute.enabled = False
    result = NbGraderAPI(config=c).autograde("small", "good")
    assert not result["success"]
    assert "--no-execute is refused" in result["log"]


def test_grading_without_the_wall_is_said_on_every_run(course: Path) -> None:
    c = config(course)
    c.WalledAutograde.run_student_code_with_all_my_rights = True
    for _ in range(2):
        result = NbGraderAPI(config=c).autograde("small", "good")
        assert result["success"]
        assert UNPROTECTED_WARNING in result["log"]
    assert scores(course, "good") == RIGHT | {"why": None}


def test_an_unknown_limit_is_named(course: Path) -> None:
    result = NbGraderAPI(config=config(course, hours=3)).autograde("small", "good")
    assert not result["success"]
    assert "no limit is called 'hours'" in result["log"]


def test_nbgraders_own_autograde_cannot_grade_with_this_configuration(course: Path) -> None:
    """Where something put nbgrader's class back, nothing is graded: it fails closed."""
    api = NbGraderAPI(config=config(course))
    with Gradebook(api.coursedir.db_url) as gradebook:
        gradebook.update_or_create_submission("small", gradebook.update_or_create_student("x").id)
    submit(course, "x", notebook())
    api.coursedir.assignment_id, api.coursedir.student_id = "small", "x"
    with pytest.raises(NbGraderException):
        Autograde(coursedir=api.coursedir, parent=api).start()
    assert set(scores(course, "x").values()) == {None}


def test_the_command_grades_with_the_wall(tmp_path: Path) -> None:
    """`nbgrader autograde` itself, configured by a file, started in the course's folder."""
    write_source(tmp_path)
    (tmp_path / "nbgrader_config.py").write_text(
        "from grader.plugins.autograde import use_wall\nc = get_config()\nuse_wall(c)\n"
    )
    submit(tmp_path, "good", notebook())
    submit(tmp_path, "half", notebook(answers(prune=FOUL)))
    assert NbGraderAPI(config=config(tmp_path)).generate_assignment("small")["success"]
    done = run_autograde(tmp_path)
    assert done.returncode == 0, done.stderr
    assert sum(score or 0 for score in scores(tmp_path, "good").values()) == TOTAL
    assert sum(score or 0 for score in scores(tmp_path, "half").values()) == TOTAL - 5
    risk = "--WalledAutograde.run_student_code_with_all_my_rights=True"
    done = run_autograde(tmp_path, "--student=good", "--force", risk, "--log-level=CRITICAL")
    assert done.returncode == 0, done.stderr
    assert UNPROTECTED_WARNING in done.stderr, "no log level may silence it"


def run_autograde(course: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", "small", *options],
        cwd=course,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_files_that_students_may_change_are_not_overwritten(tmp_path: Path) -> None:
    """By nbgrader's option; of the students' own nothing is copied."""
    write_source(tmp_path)
    for name in ("helper.py", "deep/data.txt"):
        path = tmp_path / "source" / "small" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("given")
    submit(tmp_path, "good", notebook())
    c = config(tmp_path)
    c.Autograde.exclude_overwriting = {"small": ["helper.py"]}
    api = NbGraderAPI(config=c)
    assert api.generate_assignment("small")["success"]
    assert api.autograde("small", "good")["success"]
    assert (autograded(tmp_path, "good") / "deep" / "data.txt").read_text() == "given"
    assert not (autograded(tmp_path, "good") / "helper.py").exists()


def test_of_two_notebooks_the_one_that_is_missing_gets_nothing(tmp_path: Path) -> None:
    write_source(tmp_path)
    source = tmp_path / "source" / "small"
    (source / "other.ipynb").write_bytes((source / "small.ipynb").read_bytes())
    api = NbGraderAPI(config=config(tmp_path))
    assert api.generate_assignment("small")["success"]
    submit(tmp_path, "good", notebook())
    assert api.autograde("small", "good")["success"]
    assert sum(score or 0 for score in scores(tmp_path, "good").values()) == TOTAL
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as gradebook:
        other = gradebook.find_submission_notebook("other", "small", "good")
        assert {grade.auto_score for grade in other.grades} == {0}
        assert not other.needs_manual_grade
