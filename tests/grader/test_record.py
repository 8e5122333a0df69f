"""What is recorded is what stock nbgrader would have recorded, also when a run is cut short."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nbgrader.plugins import LateSubmissionPlugin
from stock_course import ASSIGNMENT, StockCourse, answered, sqlite_rows
from traitlets.config import Config

from grader.engine.gradebook import Gradebook, GradebookError, GradebookGoneError, Marks
from grader.engine.record import RECEIPT, Graded, Recorder
from grader.submissions import folders

GOOD = "def double(x):\n    return x + x"
SMALL = "def double(x):\n    return 4"
ON_TIME, LATE = "2029-12-31 12:00:00 UTC", "2030-01-01 13:00:00 UTC"


def zero(student: str, score: float, late: float) -> float | None:
    """nbgrader's own policy that takes all points."""
    plugin = LateSubmissionPlugin(config=Config(LateSubmissionPlugin={"penalty_method": "zero"}))
    return plugin.late_submission_penalty(student, score, late)


@pytest.fixture(scope="session")
def graded_course(tmp_path_factory: pytest.TempPathFactory) -> StockCourse:
    """Five students, graded by stock nbgrader; `empty.db` is the gradebook before that."""
    course = StockCourse(tmp_path_factory.mktemp("stock"))
    course.create()
    shutil.copy(course.database, course.root / "empty.db")
    release = course.release()
    good = answered(release, GOOD, "because", "more")
    course.submit("ada", {"one": good, "two": good}, ON_TIME)
    course.submit("bob", {"one": answered(release, SMALL), "two": release}, None)
    course.submit("cy", {"one": good}, ON_TIME)
    course.submit("dee", {"one": good, "two": answered(release, SMALL)}, LATE)
    for student in ("ada", "bob", "cy", "dee"):
        course.autograde(student)
    return course


@pytest.fixture
def recorder(graded_course: StockCourse, tmp_path: Path) -> Iterator[Recorder]:
    """Writes into a gradebook that is as it was before grading, and into folders of its own."""
    shutil.copy(graded_course.root / "empty.db", tmp_path / "gradebook.db")
    with make_recorder(tmp_path) as made:
        yield made


class make_recorder(Recorder):  # noqa: N801, used as a function
    def __init__(self, root: Path, patience: float = 20.0) -> None:
        gradebook = Gradebook(
            f"sqlite:///{root}/gradebook.db", ASSIGNMENT, penalty=zero, patience=patience
        )
        place = root / "autograded"
        super().__init__(gradebook, lambda s: place / s / ASSIGNMENT, {"data.txt": b"given"})

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.gradebook.close()


def assert_same_rows(ours: Path, theirs: Path) -> None:
    left, right = sqlite_rows(ours), sqlite_rows(theirs)
    for table, found in left.items():
        assert set(found) - set(right[table]) == set()
        assert found == right[table]


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a folder with its permissions, receipts left out."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != RECEIPT
    }


def test_rows_and_files_are_those_of_stock_nbgrader(
    graded_course: StockCourse, recorder: Recorder, tmp_path: Path
) -> None:
    for student in ("ada", "bob", "cy", "dee"):
        recorder.record(graded_course.graded(student))
    assert_same_rows(tmp_path / "gradebook.db", graded_course.database)
    assert contents(tmp_path / "autograded") == contents(graded_course.root / "autograded")


def test_a_regrade_leaves_what_stock_nbgrader_leaves(
    graded_course: StockCourse, tmp_path: Path
) -> None:
    course = StockCourse(tmp_path / "course")
    shutil.copytree(graded_course.root, course.root)
    work = tmp_path / "ours"
    work.mkdir()
    shutil.copy(course.database, work / "gradebook.db")
    shutil.copytree(course.root / "autograded", work / "autograded")
    for database in (course.database, work / "gradebook.db"):
        connection = sqlite3.connect(database)
        connection.execute(
            "UPDATE grade SET manual_score = 1, needs_manual_grade = 0, extra_credit = 0.5"
        )
        connection.execute("UPDATE comment SET manual_comment = 'by hand'")
        connection.commit()
        connection.close()
    release = course.release()
    course.submit("ada", {"one": answered(release, SMALL, "because", "more")}, LATE)
    course.submit("dee", {"one": answered(release, GOOD, more="more")}, None)
    for student in ("ada", "dee"):
        course.autograde(student, force=True)
    with make_recorder(work) as recorder:
        for student in ("ada", "dee"):
            recorder.record(course.graded(student))
    assert_same_rows(work / "gradebook.db", course.database)


@pytest.mark.parametrize(("more", "again"), [("more", False), ("something else", True)])
def test_a_task_graded_by_hand_is_marked_for_review_where_its_answer_changed(
    graded_course: StockCourse, recorder: Recorder, tmp_path: Path, more: str, again: bool
) -> None:
    graded = graded_course.graded("ada")
    recorder.record(graded)
    connection = sqlite3.connect(tmp_path / "gradebook.db")
    connection.execute("UPDATE grade SET manual_score = 4, needs_manual_grade = 0")
    connection.commit()
    text = graded.notebooks["one"].replace(b'"more"', json.dumps(more).encode())
    recorder.record(replace(graded, notebooks={**graded.notebooks, "one": text}, digest="e"))
    found = connection.execute(
        "SELECT g.needs_manual_grade, g.manual_score FROM grade g JOIN base_cell c "
        "ON c.id = g.cell_id JOIN submitted_notebook sn ON sn.id = g.notebook_id "
        "JOIN notebook n ON n.id = sn.notebook_id WHERE c.name = 'more' AND n.name = 'one'"
    ).fetchall()
    connection.close()
    assert found == [(again, 4)]


def test_penalties_follow_the_grades_that_were_given_by_hand(
    graded_course: StockCourse, recorder: Recorder, tmp_path: Path
) -> None:
    recorder.record(graded_course.graded("dee"))
    recorder.record(graded_course.graded("ada"))
    connection = sqlite3.connect(tmp_path / "gradebook.db")
    connection.execute(
        "UPDATE grade SET manual_score = 4 WHERE cell_id IN (SELECT id FROM task_cells)"
    )
    connection.commit()
    assert recorder.gradebook.refresh_penalties() == 2
    assert recorder.gradebook.refresh_penalties() == 0
    sheets = recorder.gradebook.sheets(["ada", "dee"])
    assert [sheets["dee"][name].score for name in ("one", "two")] == [0, 0]
    assert sheets["dee"]["one"].late_penalty == 9
    assert sheets["ada"]["one"].late_penalty == 0
    assert sheets["ada"]["one"].score == 9
    connection.execute("UPDATE assignment SET duedate = NULL")
    connection.commit()
    assert recorder.gradebook.refresh_penalties() == 2
    assert recorder.gradebook.sheets(["dee"])["dee"]["one"].score == 9
    connection.close()


def test_sheets_say_what_nbgrader_says(graded_course: StockCourse) -> None:
    with Gradebook(graded_course.db_url, ASSIGNMENT) as gradebook:
        sheets = gradebook.sheets(["ada", "bob", "cy", "dee", "nobody"])
    with graded_course.api().gradebook as stock:
        for student in ("ada", "bob", "cy", "dee"):
            for name in ("one", "two"):
                theirs = stock.find_submission_notebook(name, ASSIGNMENT, student)
                ours = sheets[student][name]
                penalty = theirs.late_submission_penalty or 0
                assert (ours.score, ours.max_score, ours.late_penalty) == (
                    theirs.score - penalty,
                    theirs.max_score,
                    penalty,
                )
                assert ours.scores == {g.name: (g.score, g.max_score) for g in theirs.grades}
                assert ours.comments == {c.name: c.comment for c in theirs.comments}


def test_an_assignment_that_is_not_in_the_gradebook_is_named(
    graded_course: StockCourse, tmp_path: Path
) -> None:
    with pytest.raises(GradebookError, match="run `nbgrader generate_assignment other`"):
        Gradebook(graded_course.db_url, "other")
    with pytest.raises(GradebookError, match="generate_assignment"):
        Gradebook(f"sqlite:///{tmp_path}/new.db", ASSIGNMENT)


@pytest.mark.parametrize(
    "url", ["sqlite:///{}/no/gradebook.db", "sqlite:///{}/no.db", "nonsense", "no-such-kind://x"]
)
def test_a_gradebook_that_is_not_there_is_not_made(tmp_path: Path, url: str) -> None:
    began = time.monotonic()
    with pytest.raises(GradebookError, match=r"generate_assignment|db_url"):
        Gradebook(url.format(tmp_path), ASSIGNMENT)
    assert not list(tmp_path.iterdir())
    assert time.monotonic() - began < 5


def test_a_broken_gradebook_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "gradebook.db").write_text("a text " * 1000)
    with pytest.raises(GradebookError, match=r"is broken .*not a database"):
        Gradebook(f"sqlite:///{tmp_path}/gradebook.db", ASSIGNMENT)


@pytest.fixture
def locked(graded_course: StockCourse, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that keeps `gradebook.db` for itself."""
    shutil.copy(graded_course.root / "empty.db", tmp_path / "gradebook.db")
    connection = sqlite3.connect(
        tmp_path / "gradebook.db", isolation_level=None, check_same_thread=False
    )
    connection.execute("BEGIN EXCLUSIVE")
    yield connection
    connection.close()


def test_a_gradebook_that_is_locked_at_the_start_is_waited_for(
    locked: sqlite3.Connection, tmp_path: Path
) -> None:
    told: list[str] = []

    def free(reason: str) -> None:
        told.append(reason)
        if locked.in_transaction:
            locked.rollback()

    url = f"sqlite:///{tmp_path}/gradebook.db"
    with Gradebook(url, ASSIGNMENT, patience=20, waiting=free) as gradebook:
        assert gradebook.max_score
    assert "locked" in told[0]


def test_patience_ends_where_it_is_said_to(locked: sqlite3.Connection, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(GradebookGoneError, match="locked"):
        Gradebook(f"sqlite:///{tmp_path}/gradebook.db", ASSIGNMENT, patience=0.5)
    assert time.monotonic() - began < 5


def test_a_server_that_is_down_is_waited_for_and_then_said_to_be() -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed (the extra `scale`)")
    told: list[str] = []
    url = "postgresql+psycopg://x@127.0.0.1:1/x"
    with pytest.raises(GradebookGoneError, match="refused"):
        Gradebook(url, ASSIGNMENT, patience=0.5, waiting=told.append)
    assert told


def test_a_folder_that_cannot_be_written_changes_no_row(
    graded_course: StockCourse, recorder: Recorder, tmp_path: Path
) -> None:
    before = sqlite_rows(tmp_path / "gradebook.db")
    (tmp_path / "autograded").write_text("a file where the folder should be")
    with pytest.raises(NotADirectoryError):
        recorder.record(graded_course.graded("ada"))
    assert sqlite_rows(tmp_path / "gradebook.db") == before


def _record_and_die(root: Path, graded: Graded, calls: int) -> None:
    """Record, and be gone like after `kill -9` at the given call to the operating system."""
    left = iter(range(calls, -1, -1))

    def dying(original: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            if next(left) == 0:
                os._exit(1)
            return original(*args, **kwargs)

        return call

    for name in ("open", "fsync", "rename", "rmdir", "unlink", "mkdir"):
        setattr(os, name, dying(getattr(os, name)))
    with make_recorder(root) as recorder:
        recorder.record(graded)


def test_a_death_anywhere_leaves_old_or_new_and_the_next_run_finishes(
    graded_course: StockCourse, recorder: Recorder, tmp_path: Path
) -> None:
    old = graded_course.graded("ada", "old")
    new = replace(graded_course.graded("dee", "new"), student="ada")
    recorder.record(old)
    before, calls, resumed = sqlite_rows(tmp_path / "gradebook.db"), 0, 0
    after = None
    while True:
        process = multiprocessing.get_context("fork").Process(
            target=_record_and_die, args=(tmp_path, new, calls)
        )
        process.start()
        process.join()
        found = sqlite_rows(tmp_path / "gradebook.db")
        if process.exitcode == 0:
            break
        if found == before:
            assert recorder.done("ada") == "old"
        if recorder.done("ada") == "new":
            assert found != before
        score = recorder.resume("ada", "new")
        resumed += score is not None
        if score is None and recorder.done("ada") != "new":
            recorder.record(new)
        folders.tidy(recorder.place("ada"))
        assert recorder.done("ada") == "new"
        after = after or sqlite_rows(tmp_path / "gradebook.db")
        assert sqlite_rows(tmp_path / "gradebook.db") == after
        assert sorted(p.name for p in recorder.place("ada").parent.iterdir()) == [ASSIGNMENT]
        recorder.record(old)
        assert sqlite_rows(tmp_path / "gradebook.db") == before
        calls += 1
    assert calls > 10
    assert resumed > 1
    assert found == after


def test_two_writers_and_a_reader_do_not_lock_each_other_out(
    graded_course: StockCourse, recorder: Recorder, tmp_path: Path
) -> None:
    graded = graded_course.graded("ada")
    failures: list[BaseException] = []

    def write(prefix: str) -> None:
        try:
            with make_recorder(tmp_path) as mine:
                for number in range(25):
                    mine.record(replace(graded, student=f"{prefix}{number}"))
        except Exception as error:  # noqa: BLE001, whatever it is the test must see it
            failures.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("x", "y")]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        sqlite_rows(tmp_path / "gradebook.db")
        time.sleep(0.01)
    assert not failures
    assert len(sqlite_rows(tmp_path / "gradebook.db")["submission"]) == 50


def test_a_database_that_goes_away_and_comes_back_is_waited_for(
    recorder: Recorder, tmp_path: Path
) -> None:
    """Also by a connection that is open, and would go on with the file that is gone."""
    told: list[str] = []
    url, database = f"sqlite:///{tmp_path}/gradebook.db", tmp_path / "gradebook.db"

    def back(reason: str) -> None:
        told.append(reason)
        if len(told) == 2:
            shutil.copy(tmp_path / "away.db", database)

    with Gradebook(url, ASSIGNMENT, patience=20, waiting=back) as gradebook:
        gradebook.record("bob", {"one": Marks({"test_small": 2.0})}, None)
        database.rename(tmp_path / "away.db")
        assert gradebook.record("ada", {"one": Marks({"test_small": 2.0})}, None) == 2.0
    assert len(told) == 2
    assert {row[1] for row in sqlite_rows(database)["submission"]} == {"ada", "bob"}


def test_a_database_that_stays_away_is_a_clear_error(recorder: Recorder, tmp_path: Path) -> None:
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db", ASSIGNMENT, patience=0.3) as gradebook:
        (tmp_path / "gradebook.db").unlink()
        with pytest.raises(GradebookGoneError, match="goes on where it stopped"):
            gradebook.record("ada", {}, None)
    assert not (tmp_path / "gradebook.db").exists()


def test_a_folder_is_claimed_by_one_run_at_a_time(tmp_path: Path) -> None:
    with folders.claimed(tmp_path), pytest.raises(folders.BusyError), folders.claimed(tmp_path):
        pass
    with folders.claimed(tmp_path):
        pass
