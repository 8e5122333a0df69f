"""Grade on submission: what arrives is graded once, whatever happens to the watch."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from mini_course import ASSIGNMENT, GOOD, WRONG, MiniCourse
from nbgrader.utils import notebook_hash

from grader.submissions.watch import Inbox

pytestmark = pytest.mark.xdist_group("watch")  # its fixtures are made once


@pytest.fixture
def inbound(tmp_path: Path) -> Path:
    folder = tmp_path / "inbound"
    folder.mkdir()
    return folder


@pytest.fixture
def inbox(inbound: Path, tmp_path: Path) -> Inbox:
    return make_inbox(inbound, tmp_path)


def make_inbox(inbound: Path, root: Path, due: dt.datetime | None = None) -> Inbox:
    return Inbox(
        inbound,
        "hw",
        lambda student: root / "submitted" / student / "hw",
        keep=lambda: due,
        check_owner=False,
        ignore=["*.pyc"],
        limit=10_000,
    )


def arrive(
    inbound: Path, student: str, second: int, text: str = "{}", assignment: str = "hw"
) -> Path:
    """A submission as `nbgrader submit` leaves it."""
    stamp = f"2030-01-01 12:00:{second:02d} UTC"
    folder = inbound / f"{student}+{assignment}+{stamp}+random_{second}"
    folder.mkdir()
    (folder / "one.ipynb").write_text(text)
    (folder / "timestamp.txt").write_text(stamp)
    (folder / "submission_secret.txt").write_text(f"secret {student} {second}")
    return folder


def collect(inbox: Inbox) -> tuple[list[str], list[str]]:
    refused: list[str] = []
    return inbox.collect(lambda name, why: refused.append(f"{name}: {why}")), refused


def test_the_latest_submission_is_collected_once(
    inbox: Inbox, inbound: Path, tmp_path: Path
) -> None:
    arrive(inbound, "ada", 1, "old")
    arrive(inbound, "ada", 3, "new")
    arrive(inbound, "a+b", 2)
    arrive(inbound, "ada", 9, "other", assignment="other")
    assert collect(inbox) == (["a+b", "ada"], [])
    assert (tmp_path / "submitted/ada/hw/one.ipynb").read_text() == "new"
    assert collect(inbox) == ([], [])
    arrive(inbound, "ada", 4, "newer")
    assert collect(inbox) == (["ada"], [])
    assert (tmp_path / "submitted/ada/hw/one.ipynb").read_text() == "newer"


def test_the_last_one_in_time_counts_where_the_course_says_so(
    inbound: Path, tmp_path: Path
) -> None:
    inbox = make_inbox(inbound, tmp_path, dt.datetime(2030, 1, 1, 12, 0, 2))
    arrive(inbound, "ada", 1, "first")
    arrive(inbound, "ada", 2, "in time")
    arrive(inbound, "ada", 3, "late")
    arrive(inbound, "bob", 5, "late only")
    collect(inbox)
    assert (tmp_path / "submitted/ada/hw/one.ipynb").read_text() == "in time"
    assert (tmp_path / "submitted/bob/hw/one.ipynb").read_text() == "late only"


def test_what_is_still_being_copied_waits(inbox: Inbox, inbound: Path) -> None:
    folder = arrive(inbound, "ada", 1)
    (folder / "submission_secret.txt").rename(inbound / "kept")
    assert collect(inbox) == ([], [])
    (inbound / "kept").rename(folder / "submission_secret.txt")
    assert collect(inbox) == (["ada"], [])


def test_nothing_leads_out_of_the_exchange(inbox: Inbox, inbound: Path, tmp_path: Path) -> None:
    (tmp_path / "gradebook.db").write_text("grades")
    folder = arrive(inbound, "ada", 1)
    (folder / "link.db").symlink_to(tmp_path / "gradebook.db")
    (folder / "inner").symlink_to(tmp_path)
    (inbound / "eve+hw+2030-01-01 12:00:01 UTC+x").symlink_to(folder)
    for name in (
        "..+hw+2030-01-01 12:00:00 UTC+x",
        "+hw+2030-01-01 12:00:00 UTC+x",
        "a+hw+z+x",
        "x",
    ):
        (inbound / name).mkdir()
        (inbound / name / "submission_secret.txt").write_text("x")
    assert collect(inbox) == (["ada"], [])
    assert sorted(p.name for p in (tmp_path / "submitted").iterdir()) == ["ada"]
    assert {p.name for p in (tmp_path / "submitted/ada/hw").iterdir()} == {
        "one.ipynb",
        "timestamp.txt",
        "submission_secret.txt",
    }


def test_what_is_too_large_or_not_the_students_is_refused_once(
    inbound: Path, tmp_path: Path
) -> None:
    arrive(inbound, "ada", 1, "x" * 9_990)
    collected, refused = collect(inbox := make_inbox(inbound, tmp_path))
    assert collected == []
    assert "MB" in refused[0]
    assert collect(inbox) == ([], [])
    strict = Inbox(inbound, "hw", lambda student: tmp_path / student)
    arrive(inbound, "nobody-here", 2)
    _, refused = collect(strict)
    assert any("nobody-here" in text and "is owned by" in text for text in refused)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[MiniCourse]:
    course = MiniCourse(tmp_path / "course").create()
    (course.root / "exchange" / "mini" / "feedback").mkdir()
    return course


def hand_in(course: MiniCourse, student: str, answers: dict[str, str], second: int) -> None:
    inbound = course.root / "exchange" / "mini" / "inbound"
    text = course.notebook(answers).decode()
    folder = arrive(inbound, student, second, text, assignment=ASSIGNMENT)
    (folder / "one.ipynb").rename(folder / "mini.ipynb")


def start(course: MiniCourse) -> BaseProcess:
    return course.start(
        "watch",
        ASSIGNMENT,
        "--workers=1",
        "--WatchApp.seconds=0.1",
        "--WatchApp.release_feedback=True",
    )


def wait_for(course: MiniCourse, watch: BaseProcess, count: int, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    log = course.root / "grader.log"
    while not log.exists() or sum(e["fresh"] for e in course.events("pagemade")) < count:
        assert watch.is_alive(), course.output()
        assert time.monotonic() < end, course.output()
        time.sleep(0.05)


def test_a_watch_grades_what_arrives_and_survives_restarts(watched: MiniCourse) -> None:
    hand_in(watched, "ada", WRONG, 1)
    watch = start(watched)
    wait_for(watched, watch, 1)
    hand_in(watched, "bob", GOOD, 2)
    arrived = time.monotonic()
    wait_for(watched, watch, 2)
    assert time.monotonic() - arrived < 5
    watch.kill()
    watch.join()
    hand_in(watched, "ada", GOOD, 3)
    watch = start(watched)
    wait_for(watched, watch, 3)
    time.sleep(0.5)
    os.kill(watch.pid or 0, 15)
    watch.join(20)
    assert watch.exitcode == 130
    graded = [(e["student"], e["score"]) for e in watched.events("recorded")]
    assert graded == [("ada", 6), ("bob", 9), ("ada", 9)]
    released = {p.name for p in (watched.root / "exchange/mini/feedback").iterdir()}
    expected = notebook_hash(secret="secret ada 3", notebook_id="mini")
    assert f"{expected}.html" in released
