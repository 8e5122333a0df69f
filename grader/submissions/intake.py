"""What a submission's folder holds, read once: what is graded is what was hashed."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from nbgrader.utils import parse_utc

from grader.course.assignment import Assignment
from grader.submissions.submission import (
    MAX_FILE_BYTES,
    NotebookMissing,
    Submission,
    SubmissionError,
    read_plain_file,
    read_submission,
)

READS = 3
"""How often a folder that changes while it is read is read."""

TIMESTAMP, SECRET = "timestamp.txt", "submission_secret.txt"
"""What nbgrader puts beside a submission; the second one names its feedback in the exchange."""

MAX_LINE_BYTES = 1000
"""What such a file may have: a date of a million digits takes hours to read."""


class ChangingError(SubmissionError):
    """The folder changed every time it was read."""


class TimestampError(SubmissionError):
    """The time of submission cannot be read, so that nobody knows whether it was late."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The files that matter for grading, by name; one that is not there is left out."""

    files: dict[str, bytes]

    @property
    def digest(self) -> str:
        """SHA-256 over names and contents."""
        total = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            total.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        return total.hexdigest()

    @property
    def timestamp(self) -> dt.datetime | None:
        """When it was submitted (UTC, naive); None where nobody wrote it down.

        Raises TimestampError.
        """
        text = self.files.get(TIMESTAMP, b"").decode("utf-8", "replace").strip()
        if not text:
            return None
        try:
            return parse_time(text)
        except ValueError:
            raise TimestampError(
                f"{TIMESTAMP} holds no date: write the date of submission there, for example "
                "2030-05-01 18:00:00 UTC; no grade changed"
            ) from None


@dataclass(frozen=True, slots=True)
class Intake:
    """A submission as it was at one moment.

    submissions: by notebook name; a notebook that was not submitted is not there. timestamp: when
    it was submitted (UTC, naive), or None. files: what goes with it to the autograded folder.
    """

    submissions: dict[str, Submission]
    timestamp: dt.datetime | None
    files: dict[str, bytes]
    digest: str


def read_contents(folder: Path, assignments: Collection[Assignment]) -> Contents:
    """Read a submission's notebooks and what nbgrader put beside them; follow no link.

    Raises SubmissionError for what is not a plain file, is too large or cannot be read.
    """
    limits = {f"{a.notebook}.ipynb": MAX_FILE_BYTES for a in assignments}
    limits |= {TIMESTAMP: MAX_LINE_BYTES, SECRET: MAX_LINE_BYTES}
    files = {}
    for name, limit in limits.items():
        content = read_plain_file(folder, name, limit)
        if content is not None:
            files[name] = content
    return Contents(files)


def take_in(folder: Path, contents: Contents, assignments: Collection[Assignment]) -> Intake:
    """Parse and sanitise the notebooks of a folder whose contents were read.

    Reads again what changed since. Raises SubmissionError: none of the assignment's notebooks is
    there, one cannot be graded, the timestamp is none (TimestampError), or the folder never stays
    the same (ChangingError).
    """
    for _ in range(READS):
        submissions = _submissions(folder, contents, assignments)
        if submissions is not None:
            timestamp = contents.timestamp
            return Intake(submissions, timestamp, _kept(contents, timestamp), contents.digest)
        contents = read_contents(folder, assignments)
    raise ChangingError(
        "its files change while they are read: wait until they have all arrived, then run the "
        "same command again; no grade changed"
    )


def _submissions(
    folder: Path, contents: Contents, assignments: Collection[Assignment]
) -> dict[str, Submission] | None:
    """The notebooks, sanitised; None where one is not what was hashed."""
    found: dict[str, Submission] = {}
    missing: NotebookMissing | None = None
    for assignment in assignments:
        try:
            submission = read_submission(folder, assignment)
        except NotebookMissing as error:
            missing = error
            continue
        content = contents.files.get(f"{assignment.notebook}.ipynb")
        if content is None or hashlib.sha256(content).hexdigest() != submission.digest:
            return None
        found[assignment.notebook] = submission
    if not found and missing is not None:
        raise missing
    return found


def parse_time(text: str) -> dt.datetime:
    """A time as a stranger wrote it, in UTC and naive. Raises ValueError.

    nbgrader reads a time zone that is a path from the file of that name: here it is no time.
    """
    if re.search(r"(^|\s)/|\.\.", text):
        raise ValueError("a path is no time zone")
    try:
        when: dt.datetime = parse_utc(text.strip())
    except OverflowError as error:
        raise ValueError(str(error)) from None
    return when


def _kept(contents: Contents, timestamp: dt.datetime | None) -> dict[str, bytes]:
    """The submission's own files in the autograded folder."""
    kept = {}
    if timestamp is not None:
        kept[TIMESTAMP] = f"{timestamp:%Y-%m-%d %H:%M:%S.%f} UTC".encode()
    if SECRET in contents.files:
        kept[SECRET] = contents.files[SECRET]
    return kept
