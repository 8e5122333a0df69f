"""Grade on submission: what arrives in nbgrader's exchange, within seconds.

The exchange's inbound folder is writable for every student. So names in it are parsed and never
trusted, nothing is followed out of a submission, and a folder that belongs to somebody else than
the student it names is left where it is.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import filecmp
import functools
import glob
import logging
import os
import pwd
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbgrader.apps.baseapp import NbGrader
from nbgrader.exchange import ExchangeError
from nbgrader.exchange.default import ExchangeCollect, ExchangeReleaseFeedback
from nbgrader.utils import notebook_hash

from grader.submissions import folders
from grader.submissions.intake import MAX_LINE_BYTES, SECRET, TIMESTAMP, parse_time
from grader.submissions.students import is_meant
from grader.submissions.submission import SubmissionError, read_plain_file
from grader.submissions.tree import Selection, opened, read_tree

SETTLED = 10.0
"""Seconds without a change after which a submission counts as complete, whatever it lacks."""

_STUDENTS_DOING = {
    errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO,
    errno.ENODEV, errno.EAGAIN, errno.EINVAL, errno.ENAMETOOLONG, errno.EOPNOTSUPP,
}  # fmt: skip
"""What a read fails with where the submission is to blame, and not the machine."""

_SILENT = logging.Logger("the exchange, whose errors are told by the watch", logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A submission in the exchange."""

    student: str
    timestamp: dt.datetime
    name: str


class Inbox:
    """The exchange's inbound folder of one assignment.

    submitted: a student's folder to collect into. keep: the last one before the due date counts
    (`ExchangeCollect.before_duedate`), where that is given. check_owner: leave what the student
    does not own. selection: which files are collected. group_shared: whether the group may write to
    them (`CourseDirectory.groupshared`). wanted: whether a student's submissions are collected at
    all.
    """

    def __init__(
        self,
        inbound: Path,
        assignment: str,
        submitted: Callable[[str], Path],
        *,
        keep: Callable[[], dt.datetime | None] = lambda: None,
        check_owner: bool = True,
        selection: Selection = Selection(),  # noqa: B008, immutable
        group_shared: bool = False,
        wanted: Callable[[str], bool] = lambda student: True,
    ) -> None:
        self._inbound = inbound
        self._assignment = assignment
        self._submitted = submitted
        self._keep = keep
        self._check_owner = check_owner
        self._selection = selection
        self._group_shared = group_shared
        self._wanted = wanted
        self._refused: set[str] = set()
        self._taken: dict[str, str] = {}

    def collect(
        self, refuse: Callable[[str, str], None], under_way: Collection[str] = ()
    ) -> Iterator[str]:
        """Copy what is new to the course's submitted folder; yield its students one by one.

        Of what a watch before this one has copied, only the student is yielded, once.
        refuse: is told once of every folder that is not taken, by name, and why. under_way:
        students whose new submissions wait until their last one is graded. Raises OSError, after
        all the others are dealt with, where the disk or the exchange is out of order.
        """
        trouble = None
        with opened(self._inbound) as inbound:
            for arrival in self._chosen(inbound):
                student, name = arrival.student, arrival.name
                if student in under_way or name in self._refused:
                    continue
                if self._taken.get(student) == name and self._submitted(student).exists():
                    continue
                try:
                    self._take(inbound, arrival)
                except folders.BusyError:
                    continue
                except SubmissionError as error:
                    self._refused.add(name)
                    refuse(_printable(name), _printable(str(error)))
                except OSError as error:
                    trouble = error
                else:
                    self._taken[student] = name
                    yield student
        if trouble is not None:
            raise trouble

    def _chosen(self, inbound: int) -> list[Arrival]:
        """The submission of each student that counts, of those that are complete."""
        due = self._keep()
        latest: dict[str, Arrival] = {}
        for arrival in self._arrivals(inbound):
            known = latest.get(arrival.student)
            if known is None or _rank(arrival, due) > _rank(known, due):
                latest[arrival.student] = arrival
        return sorted(latest.values(), key=lambda arrival: arrival.timestamp)

    def _arrivals(self, inbound: int) -> Iterator[Arrival]:
        with os.scandir(inbound) as entries:
            for entry in entries:
                arrival = _parse(entry.name, self._assignment)
                if (
                    arrival is not None
                    and self._wanted(arrival.student)
                    and entry.is_dir(follow_symlinks=False)
                    and _is_complete(entry.name, inbound)
                ):
                    yield arrival

    def _take(self, inbound: int, arrival: Arrival) -> None:
        """Copy a submission. Raises SubmissionError, OSError, and BusyError for "not now"."""
        place = self._submitted(arrival.student)
        if _timestamp(place) == arrival.timestamp:
            return
        files = self._read(inbound, arrival)
        place.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as lock:
            if place.exists():
                lock.enter_context(folders.claimed(place))
                if self._holds(place, files):
                    return
            folders.tidy(place)
            try:
                mode = 0o664 if self._group_shared else 0o644
                folders.write(place, files, mode, self._group_shared)
            except OSError as error:
                if error.errno in {errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG}:
                    raise SubmissionError(
                        f"it has a file name that cannot be written ({error.strerror})"
                    ) from None
                raise
            folders.place_staged(place)

    def _holds(self, place: Path, files: dict[str, bytes]) -> bool:
        try:
            with opened(place) as copy:
                return read_tree(copy, self._selection) == files
        except SubmissionError:  # staff put more there
            return False

    def _read(self, inbound: int, arrival: Arrival) -> dict[str, bytes]:
        try:
            with opened(arrival.name, inbound) as folder:
                owner = _owner(os.fstat(folder))
                if self._check_owner and owner != arrival.student:
                    raise SubmissionError(
                        f"it is owned by {owner}: collect it with `nbgrader collect` if that is "
                        "right, or unset ExchangeCollect.check_owner"
                    )
                return read_tree(folder, self._selection)
        except OSError as error:
            if error.errno not in _STUDENTS_DOING:
                raise
            if not _has_settled(arrival.name, inbound):
                raise folders.BusyError(arrival.name) from None  # its permissions come last
            raise SubmissionError(
                f"it cannot be read ({error.strerror}): ask the student to submit it again"
            ) from None


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
        selection=Selection(
            ignore=coursedir.ignore,
            # nbgrader's own collect leaves these two out as well, and nobody is late any more
            include=[*(coursedir.include or ["*"]), TIMESTAMP, SECRET],
            file_bytes=1000 * (coursedir.max_file_size or coursedir.max_dir_size),
            folder_bytes=1000 * coursedir.max_dir_size,
        ),
        group_shared=coursedir.groupshared,
        wanted=functools.partial(is_meant, coursedir),
    )


class FeedbackRelease:
    """Puts feedback where `nbgrader fetch_feedback` finds it, and tries until it is there.

    feedback: a student's folder of pages.
    """

    def __init__(self, app: NbGrader, feedback: Callable[[str], Path]) -> None:
        self._coursedir = app.coursedir
        self._exchange = ExchangeReleaseFeedback(
            coursedir=app.coursedir, authenticator=app.authenticator, parent=app, log=_SILENT
        )
        self._feedback = feedback
        self._waiting: dict[str, None] = {}

    def add(self, student: str) -> None:
        """Have the student's feedback released, if it is not in the exchange as it is now."""
        self._waiting[student] = None

    def release(self, refuse: Callable[[str, str], None]) -> None:
        """Release what waits; `refuse` is told of what never can be, by student, and why.

        Raises ExchangeError and OSError where the exchange is out of order; then the rest waits.
        """
        while self._waiting:
            student = next(iter(self._waiting))
            del self._waiting[student]
            try:
                if not self._is_there(student):
                    self._put(student)
            except SubmissionError as error:
                refuse(student, str(error))
            except (ExchangeError, OSError):
                self._waiting[student] = None  # after the others
                raise

    def _is_there(self, student: str) -> bool:
        folder = self._feedback(student)
        pages = list(folder.glob("*.html"))
        if not pages:
            return True
        try:
            (folder / TIMESTAMP).stat()
            secret = (folder / SECRET).read_text()  # as nbgrader reads it
        except (FileNotFoundError, UnicodeDecodeError):
            raise SubmissionError(
                f"its feedback is made but not released: without its {TIMESTAMP} and {SECRET} it "
                "cannot be fetched from the exchange"
            ) from None
        place = Path(self._exchange.root, self._coursedir.course_id, "feedback")
        return all(
            _is_same(page, place / f"{notebook_hash(secret=secret, notebook_id=page.stem)}.html")
            for page in pages
        )

    def _put(self, student: str) -> None:
        wanted, self._coursedir.student_id = self._coursedir.student_id, glob.escape(student)
        try:
            self._exchange.start()
        finally:
            self._coursedir.student_id = wanted


def _is_same(page: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(page, other, shallow=False)
    except FileNotFoundError:
        return False


@functools.lru_cache(maxsize=100_000)
def _parse(name: str, assignment: str) -> Arrival | None:
    """student+assignment+timestamp[+random], where a student's id may hold a +."""
    parts = name.rsplit("+", 3)
    if len(parts) == 4 and parts[1] != assignment and parts[2] == assignment:
        parts = name.rsplit("+", 2)  # no random part
    if len(parts) < 3 or parts[1] != assignment or not _is_plain(parts[0]):
        return None
    try:
        return Arrival(parts[0], parse_time(parts[2]), name)
    except ValueError:
        return None


def _is_plain(student: str) -> bool:
    """A student's id becomes the name of a folder, and is shown on terminals."""
    return student != "" and not student.startswith(".") and student.isprintable()


def _rank(arrival: Arrival, due: dt.datetime | None) -> tuple[bool, dt.datetime, str]:
    """The highest of a student's submissions counts."""
    return due is not None and arrival.timestamp <= due, arrival.timestamp, arrival.name


def _is_complete(name: str, inbound: int) -> bool:
    """nbgrader writes the secret last; without one, when nothing happened for a while."""
    try:
        secret = os.stat(os.path.join(name, SECRET), dir_fd=inbound, follow_symlinks=False)
        if secret.st_size:
            return True
    except OSError:
        pass
    return _has_settled(name, inbound)


def _has_settled(name: str, inbound: int) -> bool:
    try:
        changed = os.stat(name, dir_fd=inbound, follow_symlinks=False).st_mtime
    except OSError:
        return False
    return abs(time.time() - changed) > SETTLED


def _owner(status: os.stat_result) -> str:
    try:
        return pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        return f"user {status.st_uid}"


def _timestamp(place: Path) -> dt.datetime | None:
    """When the submission was handed in that is in the course's folder now."""
    try:
        return parse_time((read_plain_file(place, TIMESTAMP, MAX_LINE_BYTES) or b"").decode())
    except (SubmissionError, ValueError):
        return None


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
