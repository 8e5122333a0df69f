"""Grade on submission: what arrives is graded once, whatever happens to the watch."""

from __future__ import annotations

import contextlib
import ctypes
import datetime as dt
import multiprocessing
import os
import socket
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mini_course import ASSIGNMENT, GOOD, LOOPING, WRONG, MiniCourse
from nbgrader.utils import notebook_hash

from grader.submissions.folders import claimed
from grader.submissions.intake import Contents, take_in
from grader.submissions.submission import SubmissionError
from grader.submissions.tree import Selection
from grader.submissions.watch import Inbox


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
        selection=Selection(ignore=["*.pyc"], folder_bytes=10_000),
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
        inbound,
        "hw",
        lambda student: tmp_path / student,
        check_owner=False,
        selection=Selection(folder_bytes=10_000_000),
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


@pytest.fixture(scope="module")
def new_course(tmp_path_factory: pytest.TempPathFactory) -> MiniCourse:
    return MiniCourse(tmp_path_factory.mktemp("new") / "course").create()


@pytest.fixture
def watched(new_course: MiniCourse, tmp_path: Path) -> Iterator[MiniCourse]:
    course = new_course.copy(tmp_path / "course")
    (course.root / "exchange" / "mini" / "feedback").mkdir()
    yield course
    for watch in multiprocessing.active_children():  # of a test that failed
        end(watch)


def hand_in(course: MiniCourse, student: str, answers: dict[str, str], second: int) -> None:
    inbound = course.root / "exchange" / "mini" / "inbound"
    text = course.notebook(answers).decode()
    folder = arrive(inbound, student, second, text, assignment=ASSIGNMENT)
    (folder / "one.ipynb").rename(folder / "mini.ipynb")


RELEASE = "--WatchApp.release_feedback=True"


def start(course: MiniCourse, *more: str) -> BaseProcess:
    return course.start("watch", ASSIGNMENT, "--WatchApp.seconds=0.1", *more)


def events(course: MiniCourse, kind: str) -> list[dict[str, Any]]:
    return course.events(kind) if (course.root / "grader.log").exists() else []


def wait_until(
    course: MiniCourse, watch: BaseProcess, reached: Callable[[], bool], seconds: float = 60
) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert watch.is_alive(), course.output()
        assert time.monotonic() < end, course.output()
        time.sleep(0.05)


def wait_for(course: MiniCourse, watch: BaseProcess, count: int) -> None:
    """Until so many pages were made."""
    wait_until(course, watch, lambda: sum(e["fresh"] for e in events(course, "pagemade")) >= count)


def is_released(course: MiniCourse, student: str, second: int) -> bool:
    name = notebook_hash(secret=f"secret {student} {second}", notebook_id="mini")
    return (course.root / "exchange/mini/feedback" / f"{name}.html").exists()


def end(watch: BaseProcess) -> None:
    """As a power cut does it."""
    watch.kill()
    watch.join()


def test_a_watch_grades_what_arrives_and_survives_restarts(watched: MiniCourse) -> None:
    hand_in(watched, "ada", WRONG, 1)
    watch = start(watched, "--workers=1", RELEASE)
    wait_for(watched, watch, 1)
    hand_in(watched, "bob", GOOD, 2)
    arrived = time.monotonic()
    wait_for(watched, watch, 2)
    assert time.monotonic() - arrived < 5
    watch.kill()
    watch.join()
    hand_in(watched, "ada", GOOD, 3)
    watch = start(watched, "--workers=1", RELEASE)
    wait_for(watched, watch, 3)
    time.sleep(0.5)
    os.kill(watch.pid or 0, 15)
    watch.join(20)
    assert watch.exitcode == 130
    graded = [(e["student"], e["score"]) for e in watched.events("recorded")]
    assert graded == [("ada", 6), ("bob", 9), ("ada", 9)]
    assert is_released(watched, "ada", 3)


def test_an_endless_loop_holds_up_nobody_else(watched: MiniCourse) -> None:
    config = watched.root / "nbgrader_config.py"
    limits = '"check_seconds": 20.0, "submission_seconds": 20.0'
    config.write_text(
        config.read_text().replace('"check_seconds": 1.0, "submission_seconds": 20.0', limits)
    )
    hand_in(watched, "eve", LOOPING, 1)
    watch = start(watched, "--workers=2", RELEASE)
    wait_until(watched, watch, lambda: watched.submitted("eve").exists())
    hand_in(watched, "ada", GOOD, 2)
    hand_in(watched, "bob", WRONG, 3)
    wait_until(watched, watch, lambda: is_released(watched, "ada", 2), 15)
    wait_until(watched, watch, lambda: is_released(watched, "bob", 3), 15)
    hand_in(watched, "eve", GOOD, 4)  # what is being graded is graded to its end
    wait_until(watched, watch, lambda: is_released(watched, "eve", 4), 90)
    end(watch)
    graded = [(e["student"], e["score"]) for e in watched.events("recorded")]
    assert sorted(graded[:2]) == [("ada", 9), ("bob", 6)]
    assert graded[2:] == [("eve", 5), ("eve", 9)]


def test_feedback_is_released_that_no_watch_came_to_release(watched: MiniCourse) -> None:
    hand_in(watched, "ada", WRONG, 1)
    watch = start(watched)
    wait_for(watched, watch, 1)
    end(watch)
    assert not is_released(watched, "ada", 1)
    folder = watched.root / "exchange/mini/feedback"
    folder.rename(folder.with_name("away"))
    folder.touch()  # nothing can be released now
    watch = start(watched, RELEASE)
    hand_in(watched, "bob", GOOD, 2)
    wait_for(watched, watch, 2)
    wait_until(watched, watch, lambda: len(events(watched, "waiting")) > 0)
    time.sleep(0.5)
    folder.unlink()
    folder.with_name("away").rename(folder)
    for student, second in (("ada", 1), ("bob", 2)):
        wait_until(watched, watch, lambda a=student, n=second: is_released(watched, a, n), 10)
    end(watch)
    assert len(watched.events("recorded")) == 2
    assert len(watched.events("waiting")) == 1  # said once, tried again and again


def test_feedback_of_an_unreadable_secret_stops_nobody(watched: MiniCourse) -> None:
    hand_in(watched, "ada", WRONG, 1)
    hand_in(watched, "bob", WRONG, 2)
    for folder in (watched.root / "exchange/mini/inbound").iterdir():
        if folder.name.startswith("ada"):
            (folder / "submission_secret.txt").write_bytes(b"\xff\xfe")
    watch = start(watched, RELEASE)
    wait_until(watched, watch, lambda: is_released(watched, "bob", 2))
    wait_for(watched, watch, 2)
    end(watch)


def test_two_watches_at_once_do_no_harm(watched: MiniCourse) -> None:
    (watched.root / "output.txt").touch()
    watches = [start(watched, RELEASE)]
    wait_until(watched, watches[0], lambda: "watching" in watched.output())
    watches.append(start(watched, RELEASE))
    wait_until(watched, watches[1], lambda: "standing by" in watched.output())
    for second in range(8):
        hand_in(watched, f"ada{second % 4}", WRONG if second < 4 else GOOD, second)
        time.sleep(0.2)
    wait_until(
        watched,
        watches[0],
        lambda: all(is_released(watched, f"ada{n - 4}", n) for n in range(4, 8)),
    )
    assert watches[1].is_alive(), watched.output()
    end(watches[0])
    hand_in(watched, "bob", GOOD, 9)
    wait_until(watched, watches[1], lambda: is_released(watched, "bob", 9))
    end(watches[1])
    assert not watched.events("failed")
    graded = [(e["student"], e["score"]) for e in watched.events("recorded")]
    assert len(graded) == len(set(graded))


def test_an_exchange_that_is_away_comes_back(watched: MiniCourse) -> None:
    watch = start(watched, RELEASE)
    hand_in(watched, "ada", WRONG, 1)
    wait_until(watched, watch, lambda: is_released(watched, "ada", 1))
    exchange = watched.root / "exchange"
    exchange.rename(exchange.with_name("away"))
    wait_until(watched, watch, lambda: len(events(watched, "waiting")) > 0)
    exchange.with_name("away").rename(exchange)
    hand_in(watched, "bob", GOOD, 2)
    wait_until(watched, watch, lambda: is_released(watched, "bob", 2))
    end(watch)


@pytest.fixture
def small_disk(watched: MiniCourse) -> Iterator[Path]:
    """A disk of a megabyte, for what the course writes."""
    folder = watched.root / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount one")
    for step in ("submitted", "autograded", "feedback"):
        (folder / step).mkdir()
        (watched.root / step).symlink_to(folder / step)
    (watched.root / "grader.log").symlink_to(folder / "grader.log")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_waited_for(watched: MiniCourse, small_disk: Path) -> None:
    watch = start(watched, RELEASE)
    hand_in(watched, "ada", GOOD, 1)
    wait_until(watched, watch, lambda: is_released(watched, "ada", 1))
    with contextlib.suppress(OSError), open(small_disk / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    hand_in(watched, "bob", GOOD, 2)
    wait_until(watched, watch, lambda: "No space left" in watched.output())
    time.sleep(1)
    (small_disk / "filler").unlink()
    wait_until(watched, watch, lambda: is_released(watched, "bob", 2), 20)
    end(watch)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--dry-run", "grader run"),
        ("--force", "grader run"),
        ("--ClassApp.feedback=False", "release_feedback"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    watched: MiniCourse, option: str, said: str
) -> None:
    hand_in(watched, "ada", GOOD, 1)
    code, output = watched.run("watch", ASSIGNMENT, RELEASE, option)
    assert code == 2
    assert said in output
    assert output.count("\n") == 1
    assert not watched.submitted("ada").exists()


def test_what_a_course_does_not_want_is_not_collected(watched: MiniCourse) -> None:
    """By nbgrader's options, in kilobytes; what has the time of submission is always wanted."""
    hand_in(watched, "ada", GOOD, 1)
    hand_in(watched, "bob", GOOD, 2)
    (folder,) = (watched.root / "exchange/mini/inbound").glob("ada+*")
    for name in ("large.txt", "small.txt", "small.jpg", "ignored.txt"):
        (folder / name).write_text("x" * (20_000 if name == "large.txt" else 10))
    (folder,) = (watched.root / "exchange/mini/inbound").glob("bob+*")
    (folder / "mini.ipynb").write_text("x" * 20_000)
    watch = start(
        watched,
        "--CourseDirectory.max_file_size=10",
        "--CourseDirectory.include=*.ipynb",
        "--CourseDirectory.include=[lsi]*.txt",
        "--CourseDirectory.ignore=ignored.txt",
        "--CourseDirectory.groupshared=True",
    )
    wait_for(watched, watch, 1)
    wait_until(watched, watch, lambda: "mini.ipynb has more than 0.01 MB (C" in watched.output())
    end(watch)
    collected = {path.name: path for path in watched.submitted("ada").iterdir()}
    assert set(collected) == {"mini.ipynb", "small.txt", "timestamp.txt", "submission_secret.txt"}
    assert watched.submitted("ada").stat().st_mode & 0o2070 == 0o2070
    assert collected["mini.ipynb"].stat().st_mode & 0o060 == 0o060
    assert not watched.submitted("bob").exists()


def test_only_the_students_who_are_named_are_graded(watched: MiniCourse) -> None:
    for second, student in enumerate(["bob", "ada", "amy", "abe"]):
        hand_in(watched, student, GOOD, second)
    watched.submit("ben", GOOD)
    watch = start(watched, "--student=a*", "--CourseDirectory.student_id_exclude=amy")
    wait_for(watched, watch, 2)
    time.sleep(0.5)
    end(watch)
    assert "watching for mini of students like 'a*';" in watched.output()
    assert {e["student"] for e in watched.events("recorded")} == {"ada", "abe"}
    assert {p.name for p in (watched.root / "submitted").iterdir()} == {"ada", "abe", "ben"}


def test_without_feedback_there_are_grades_alone(watched: MiniCourse) -> None:
    hand_in(watched, "ada", GOOD, 1)
    watch = start(watched, "--ClassApp.feedback=False")
    wait_until(watched, watch, lambda: len(events(watched, "recorded")) == 1)
    time.sleep(0.5)
    end(watch)
    assert not (watched.root / "feedback").exists()


def test_hidden_tests_are_shown_once_the_due_date_has_passed(watched: MiniCourse) -> None:
    config = watched.root / "nbgrader_config.py"
    shown = "use_wall(c, show_hidden_tests_after_deadline=True)"
    config.write_text(config.read_text().replace("use_wall(c)", shown))
    due = {"ada": "2999-01-01 12:00:00 UTC", "bob": "2000-01-01 12:00:00 UTC"}
    watch = None
    for count, student in enumerate(due, start=1):
        with watched.api().gradebook as gradebook:
            gradebook.update_or_create_assignment(ASSIGNMENT, duedate=due[student])
        watch = watch or start(watched)
        hand_in(watched, student, GOOD, count)
        wait_for(watched, watch, count)
    assert watch is not None
    end(watch)
    pages = watched.files("feedback")
    said = {s: b"secret token" in pages[f"feedback/{s}/{ASSIGNMENT}/mini.html"] for s in due}
    assert said == {"ada": False, "bob": True}
