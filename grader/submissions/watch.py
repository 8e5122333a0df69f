"""Grade on submission: what arrives in nbgrader's exchange, within seconds.

The exchange's inbound folder is writable for every student. So names in it are parsed and never
trusted, nothing is followed out of a submission, and a folder that belongs to somebody else than
the student it names is left where it is.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import glob
import os
import pwd
import stat
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbgrader.apps.baseapp import NbGrader
from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import Exchange, ExchangeCollect, ExchangeReleaseFeedback
from nbgrader.utils import parse_utc

from grader.submissions import folders
from grader.submissions.intake import SECRET, TIMESTAMP
from grader.submissions.submission import SubmissionError, TooLarge, read_plain_file

SETTLED = 10.0
"""Seconds after which a submission without its last file counts as complete all the same."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A submission in the exchange."""

    student: str
    timestamp: dt.datetime
    folder: Path


class Inbox:
    """The exchange's inbound folder of one assignment.

    submitted: a student's folder to collect into. keep: the last one before the due date counts
    (`ExchangeCollect.before_duedate`), where that is given. check_owner: leave what the student
    does not own. ignore, limit: `CourseDirectory.ignore` and `max_dir_size` in bytes.
    """

    def __init__(
        self,
        inbound: Path,
        assignment: str,
        submitted: Callable[[str], Path],
        *,
        keep: Callable[[], dt.datetime | None] = lambda: None,
        check_owner: bool = True,
        ignore: Collection[str] = (),
        limit: int = 100 * 2**20,
    ) -> None:
        self._inbound = inbound
        self._assignment = assignment
        self._submitted = submitted
        self._keep = keep
        self._check_owner = check_owner
        self._ignore = ignore
        self._limit = limit
        self._refused: set[str] = set()

    def collect(self, refuse: Callable[[str, str], None]) -> list[str]:
        """Copy what is new to the course's submitted folder; return its students.

        refuse: is told once of every folder that is not taken, by name, and why.
        """
        collected = []
        for arrival in self._chosen():
            place = self._submitted(arrival.student)
            if _timestamp(place) == arrival.timestamp or arrival.folder.name in self._refused:
                continue
            try:
                self._take(arrival, place)
            except SubmissionError as error:
                self._refused.add(arrival.folder.name)
                refuse(arrival.folder.name, str(error))
            else:
                collected.append(arrival.student)
        return collected

    def _chosen(self) -> list[Arrival]:
        """The submission of each student that counts, of those that are complete."""
        due = self._keep()
        latest: dict[str, Arrival] = {}
        for arrival in self._arrivals():
            known = latest.get(arrival.student)
            if known is None or _counts_more(arrival, known, due):
                latest[arrival.student] = arrival
        return sorted(latest.values(), key=lambda arrival: arrival.timestamp)

    def _arrivals(self) -> Iterator[Arrival]:
        with os.scandir(self._inbound) as entries:
            found = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        for entry in found:
            arrival = _parse(Path(entry.path), self._assignment)
            if arrival is not None and _is_complete(arrival.folder):
                yield arrival

    def _take(self, arrival: Arrival, place: Path) -> None:
        owner = _owner(arrival.folder)
        if self._check_owner and owner != arrival.student:
            raise SubmissionError(
                f"it is owned by {owner}: collect it with `nbgrader collect` if that is right, or "
                "unset ExchangeCollect.check_owner"
            )
        files = dict(_plain_files(arrival.folder, "", self._ignore, self._limit))
        if sum(map(len, files.values())) > self._limit:
            raise TooLarge(f"it has more than {self._limit / 2**20:.0f} MB")
        folders.tidy(place)
        folders.write(place, files, mode=0o644)
        folders.place_staged(place)


def open_inbox(
    app: NbGrader, submitted: Callable[[str], Path], due: Callable[[], dt.datetime | None]
) -> Inbox:
    """The inbox that the course's configuration names. Raises ExchangeError."""
    coursedir = app.coursedir
    collect = ExchangeCollect(coursedir=coursedir, parent=app)
    if app.exchange.collect is not ExchangeCollect:
        raise ExchangeError("the course has an exchange of its own: `nbgrader collect` knows it")
    if not coursedir.course_id:
        raise ExchangeError("the course has no id: set CourseDirectory.course_id")
    inbound = Path(collect.root, coursedir.course_id, "inbound")
    if not os.access(inbound, os.R_OK | os.X_OK):
        raise ExchangeError(
            f"{inbound} is not there or not readable: release the assignment first, with "
            f"`nbgrader release_assignment {coursedir.assignment_id}`"
        )
    return Inbox(
        inbound,
        coursedir.assignment_id,
        submitted,
        keep=due if collect.before_duedate else lambda: None,
        check_owner=collect.check_owner,
        ignore=coursedir.ignore,
        limit=1000 * coursedir.max_dir_size,
    )


def release_feedback(app: NbGrader, student: str) -> None:
    """Put a student's feedback where `nbgrader fetch_feedback` finds it. Raises ExchangeError."""
    coursedir = app.coursedir
    wanted, coursedir.student_id = coursedir.student_id, glob.escape(student)
    try:
        release: Exchange = ExchangeReleaseFeedback(
            coursedir=coursedir, authenticator=app.authenticator, parent=app
        )
        release.start()
    except FileNotFoundError as error:
        name = os.path.basename(error.filename)
        raise ExchangeError(
            f"the feedback of {student} was not released: {name} is missing, so it did not come "
            "through the exchange"
        ) from None
    finally:
        coursedir.student_id = wanted


def _parse(folder: Path, assignment: str) -> Arrival | None:
    """student+assignment+timestamp[+random], where a student's id may hold a +."""
    parts = folder.name.rsplit("+", 3)
    if len(parts) == 4 and parts[1] != assignment and parts[2] == assignment:
        parts = folder.name.rsplit("+", 2)  # no random part
    if len(parts) < 3 or parts[1] != assignment or not _is_plain(parts[0]):
        return None
    try:
        return Arrival(parts[0], parse_utc(parts[2]), folder)
    except (ValueError, OverflowError):
        return None


def _is_plain(student: str) -> bool:
    """A student's id becomes the name of a folder."""
    return student not in ("", ".", "..") and "/" not in student and not student.startswith(".")


def _counts_more(arrival: Arrival, known: Arrival, due: dt.datetime | None) -> bool:
    if due is not None:
        in_time, known_in_time = arrival.timestamp <= due, known.timestamp <= due
        if in_time != known_in_time:
            return in_time
    return arrival.timestamp > known.timestamp


def _is_complete(folder: Path) -> bool:
    """nbgrader writes the secret last; without one, when nothing happened for a while."""
    try:
        if (folder / SECRET).lstat().st_size:
            return True
    except OSError:
        pass
    try:
        return time.time() - folder.lstat().st_mtime > SETTLED
    except OSError:
        return False


def _owner(folder: Path) -> str:
    user = folder.lstat().st_uid
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


def _timestamp(place: Path) -> dt.datetime | None:
    """When the submission was handed in that is in the course's folder now."""
    try:
        text = (read_plain_file(place, TIMESTAMP, 1000) or b"").decode()
        when: dt.datetime | None = parse_utc(text.strip()) if text.strip() else None
    except (SubmissionError, ValueError, OverflowError):
        return None
    return when


def _plain_files(
    folder: Path, inside: str, ignore: Collection[str], limit: int
) -> Iterator[tuple[str, bytes]]:
    with os.scandir(folder / inside) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if any(fnmatch.fnmatch(entry.name, pattern) for pattern in ignore):
            continue
        path = os.path.join(inside, entry.name)
        if entry.is_dir(follow_symlinks=False):
            yield from _plain_files(folder, path, ignore, limit)
        elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            content = read_plain_file(Path(folder, inside), entry.name, limit)
            if content is not None:
                yield path, content
