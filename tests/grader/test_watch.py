"""Grade on submission: what arrives is graded once, whatever happens to the watch."""

from __future__ import annotations

import contextlib
import ctypes
import datetime as dt
import multiprocessing
import os
import socket
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mini_course import ASSIGNMENT, GOOD, WRONG, MiniCourse
from nbgrader.utils import notebook_hash

from grader.submissions.folders import claimed
from grader.submissions.intake import Contents, take_in
from grader.submissions.submission import SubmissionError
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
    return list(inbox.collect(lambda name, why: refused.append(f"{name}: {why}"))), refused


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


@contextlib.contextmanager
def without_root_rights() -> Iterator[None]:
    """Permissions hold for root too until the block ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # capget(2), version 3, this thread
    before, less = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, before) == 0
    less[:] = before[:]
    less[0] &= ~0b110  # effective: not CAP_DAC_OVERRIDE, not CAP_DAC_READ_SEARCH
    assert libc.capset(header, less) == 0
    try:
        yield
    finally:
        assert libc.capset(header, before) == 0


def settle(folder: Path) -> None:
    """As if nothing had happened there for a minute."""
    os.utime(folder, (time.time() - 60,) * 2)


def test_a_deep_folder_and_one_of_thousands_stop_nobody(inbox: Inbox, inbound: Path) -> None:
    deep = arrive(inbound, "ada", 1)
    handle = os.open(deep, os.O_RDONLY)
    for _ in range(30):  # together longer than any path may be
        os.mkdir("d" * 250, dir_fd=handle)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)
    many = arrive(inbound, "bob", 2)
    for number in range(1100):
        (many / str(number)).touch()
    nested = arrive(inbound, "cyd", 3)
    (nested / "/".join("d" * 40)).mkdir(parents=True)
    arrive(inbound, "eve", 4)
    collected, refused = collect(inbox)
    assert collected == ["eve"]
    assert [text.partition("+")[0] for text in refused] == ["ada", "bob", "cyd"]
    assert collect(inbox) == ([], [])


def test_a_folder_that_nobody_may_read_stops_nobody(inbox: Inbox, inbound: Path) -> None:
    closed, inner = arrive(inbound, "ada", 1), arrive(inbound, "bob", 2)
    (inner / "inside").mkdir(mode=0)
    closed.chmod(0)
    arrive(inbound, "eve", 3)
    with without_root_rights():
        settle(closed)
        collected, refused = collect(inbox)
        assert (collected, len(refused)) == (["eve"], 1)
        settle(inner)
        collected, refused = collect(inbox)
        assert (collected, len(refused)) == ([], 1)
        assert collect(inbox) == ([], [])
    arrive(inbound, "ada", 4)
    assert collect(inbox)[0] == ["ada"]


def test_what_cannot_be_read_yet_is_given_time(inbox: Inbox, inbound: Path) -> None:
    """`nbgrader submit` sets the permissions after it has written the last file."""
    folder = arrive(inbound, "ada", 1)
    (folder / "one.ipynb").chmod(0)
    with without_root_rights():
        assert collect(inbox) == ([], [])
        (folder / "one.ipynb").chmod(0o644)
        assert collect(inbox) == (["ada"], [])


def test_sizes_are_counted_before_anything_is_read(inbound: Path, tmp_path: Path) -> None:
    folder = arrive(inbound, "ada", 1)
    for number in range(8):
        with open(folder / f"{number}.bin", "wb") as file:
            file.truncate(9_000_000)
    inbox = Inbox(
        inbound, "hw", lambda student: tmp_path / student, check_owner=False, limit=10_000_000
    )
    tracemalloc.start()
    collected, refused = collect(inbox)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (collected, len(refused)) == ([], 1)
    assert "MB" in refused[0]
    assert peak < 20_000_000


def test_no_link_is_followed_that_is_swapped_in_while_reading(
    inbox: Inbox, inbound: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "outside"
    (secret / "inner").mkdir(parents=True)
    (secret / "inner" / "data").write_text("secret")
    folder = arrive(inbound, "ada", 1)
    (folder / "in" / "inner").mkdir(parents=True)
    (folder / "in" / "inner" / "data").write_text("mine")
    (folder / "link").symlink_to(secret)
    swapper = multiprocessing.get_context("fork").Process(
        target=_swap_for_ever, args=(folder / "in", folder / "link"), daemon=True
    )
    swapper.start()
    try:
        for number in range(300):
            root = tmp_path / str(number)
            collect(make_inbox(inbound, root))
            copies = [path.read_text() for path in root.rglob("data")]
            assert "secret" not in copies
    finally:
        swapper.kill()
        swapper.join()


def _swap_for_ever(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None)
    paths = os.fsencode(one), os.fsencode(other)
    while True:
        libc.renameat2(-100, paths[0], -100, paths[1], 2)  # RENAME_EXCHANGE


@pytest.mark.parametrize("written", [None, "", "2031-01-01 12:00:00 UTC", "yesterday"])
def test_a_submission_with_no_or_another_timestamp_is_collected_once(
    inbox: Inbox, inbound: Path, tmp_path: Path, written: str | None
) -> None:
    folder = arrive(inbound, "ada", 1)
    if written is None:
        (folder / "timestamp.txt").unlink()
    else:
        (folder / "timestamp.txt").write_text(written)
    assert collect(inbox) == (["ada"], [])
    copy = (tmp_path / "submitted/ada/hw").stat()
    assert collect(inbox) == ([], [])
    collect(make_inbox(inbound, tmp_path))  # a watch that was started again
    assert (tmp_path / "submitted/ada/hw").stat().st_ino == copy.st_ino


def test_a_time_zone_is_no_way_to_open_files(inbox: Inbox, inbound: Path, tmp_path: Path) -> None:
    zone = tmp_path / "zone"
    zone.touch(mode=0)
    folder = arrive(inbound, "ada", 1)
    text = f"2030-01-01 12:00:00 {zone}"
    (folder / "timestamp.txt").write_text(text)
    assert collect(inbox) == (["ada"], [])
    with without_root_rights(), pytest.raises(SubmissionError, match="no date"):
        take_in(tmp_path / "submitted/ada/hw", Contents({"timestamp.txt": text.encode()}), [])
    with without_root_rights():
        assert collect(make_inbox(inbound, tmp_path))[1] == []


@pytest.mark.parametrize("name", [b"\xff", b"a\nb", b"\x1b[2Jada", b"a\x07"])
def test_an_id_that_nothing_can_print_is_nobodys(inbox: Inbox, inbound: Path, name: bytes) -> None:
    folder = os.fsencode(inbound) + b"/" + name + b"+hw+2030-01-01 12:00:00 UTC+x"
    os.mkdir(folder)
    Path(os.fsdecode(folder), "submission_secret.txt").write_text("x")
    arrive(inbound, "ada", 1)
    assert collect(inbox)[0] == ["ada"]


def test_odd_names_are_told_in_one_line(inbox: Inbox, inbound: Path) -> None:
    folder = inbound / "ada+hw+2030-01-01 12:00:00 UTC+\x1b[2J\n\udcff"
    folder.mkdir()
    (folder / "one.ipynb").write_text("x" * 20_000)
    (folder / "submission_secret.txt").write_text("x")
    _, refused = collect(inbox)
    assert len(refused) == 1
    assert refused[0].isprintable()


@given(st.text(st.characters(exclude_characters="/\0"), max_size=60), st.text(max_size=60))
def test_no_name_and_no_timestamp_stops_the_inbox(stamp: str, written: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        inbound = Path(root, "inbound")
        inbound.mkdir()
        folder = inbound / f"ada+hw+{stamp}"
        try:
            folder.mkdir()
        except (OSError, UnicodeEncodeError):
            return
        (folder / "submission_secret.txt").write_text("x")
        (folder / "timestamp.txt").write_bytes(written.encode("utf-8", "replace"))
        collect(make_inbox(inbound, Path(root)))
        collect(make_inbox(inbound, Path(root)))


def test_pipes_and_sockets_are_left_out(
    inbox: Inbox, inbound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = arrive(inbound, "ada", 1)
    os.mkfifo(folder / "pipe")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        monkeypatch.chdir(folder)  # a socket's path may not be long
        listening.bind("socket")
    assert collect(inbox) == (["ada"], [])
    assert "pipe" not in {p.name for p in (tmp_path / "submitted/ada/hw").iterdir()}


def test_a_submission_that_is_being_graded_is_not_taken_away(
    inbox: Inbox, inbound: Path, tmp_path: Path
) -> None:
    arrive(inbound, "ada", 1, "old")
    collect(inbox)
    arrive(inbound, "ada", 2, "new")
    with claimed(tmp_path / "submitted/ada/hw"):
        assert collect(inbox) == ([], [])
    assert collect(inbox) == (["ada"], [])
    assert (tmp_path / "submitted/ada/hw/one.ipynb").read_text() == "new"


def test_an_inbound_folder_that_is_away_comes_back(inbox: Inbox, inbound: Path) -> None:
    arrive(inbound, "ada", 1)
    inbound.rename(inbound.with_name("away"))
    with pytest.raises(OSError, match="inbound"):
        collect(inbox)
    inbound.with_name("away").rename(inbound)
    assert collect(inbox) == (["ada"], [])


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
