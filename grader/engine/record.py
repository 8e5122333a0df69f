"""One submission's results, into the gradebook and the autograded folder.

The order makes a run that is killed harmless. (1) The autograded folder is staged complete, with
the marks in its receipt: from here on nothing has to be examined again. (2) The gradebook's rows
are written in one transaction. (3) The staged folder is moved to its place. A run that finds a
staged folder of the same submission does steps 2 and 3, which may be done twice, and no more.

The receipt is a file in the folder and not a row of the gradebook: it appears and disappears with
the results that it speaks of, also when somebody deletes the folder to have it graded again, and
the gradebook stays nbgrader's own. It vouches for rows only while the gradebook has them.

`nbgrader autograde` writes its rows and its folder itself: it takes the receipt away before
(`withdraw`) and writes it when all the rest is there (`vouch`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grader.course.assignment import Assignment
from grader.engine.gradebook import Gradebook, Marks
from grader.submissions import folders

RECEIPT = ".grading.json"
"""In each autograded folder: what was graded, and the marks that a killed run left unrecorded."""


@dataclass(frozen=True, slots=True)
class Graded:
    """One examined submission, ready to be recorded.

    student: its id. digest: hash of submission and assignment. timestamp: UTC, naive, or None.
    notebooks: the executed notebooks (JSON), by name without ".ipynb". marks: theirs, by name.
    files: the submission's other files, by path in its folder.
    """

    student: str
    digest: str
    timestamp: dt.datetime | None
    notebooks: Mapping[str, bytes]
    marks: Mapping[str, Marks]
    files: Mapping[str, bytes]


class Recorder:
    """The one writer of a course's results.

    gradebook: the assignment's. place: a student's autograded folder, by student id.
    given: the assignment's own files, which replace a submission's of the same name.
    mode, group_shared: nbgrader's `permissions` and `CourseDirectory.groupshared`.
    """

    def __init__(
        self,
        gradebook: Gradebook,
        place: Callable[[str], Path],
        given: Mapping[str, bytes] | None = None,
        *,
        mode: int = 0o444,
        group_shared: bool = False,
    ) -> None:
        self.gradebook = gradebook
        self.place = place
        self._given = dict(given or {})
        self._mode = mode
        self._group_shared = group_shared

    def done(self, student: str) -> str | None:
        """The digest of what is graded, in the autograded folder and in the gradebook, or None."""
        place = self.place(student)
        receipt = _receipt(place)
        if receipt is None:
            return None
        if not all((place / f"{name}.ipynb").exists() for name in receipt["notebooks"]):
            return None
        recorded = self.gradebook.recorded(student, _timestamp(receipt))
        return str(receipt["digest"]) if recorded else None

    def resume(self, student: str, digest: str) -> float | None:
        """Finish what a killed run left, if it is of this digest; return the score, or None."""
        place = self.place(student)
        folders.tidy(place)
        receipt = _receipt(folders.staged(place))
        if receipt is None or receipt["digest"] != digest:
            folders.remove(folders.staged(place))
            folders.tidy(place)
            return None
        return self._commit(student, receipt)

    def record(self, graded: Graded) -> float:
        """Write one submission's results; return its score with the late penalty taken off.

        Raises OSError where the folder cannot be written (nothing was recorded then) and
        GradebookGoneError where the database cannot (the next run goes on from here).
        """
        receipt = _receipt_of(graded.digest, graded.timestamp, graded.notebooks)
        receipt["marks"] = {
            name: {"scores": dict(marks.scores), "unanswered": sorted(marks.unanswered)}
            for name, marks in graded.marks.items()
        }
        notebooks = {f"{name}.ipynb": text for name, text in graded.notebooks.items()}
        files = {**graded.files, **self._given, **notebooks, RECEIPT: _dumps(receipt)}
        place = self.place(graded.student)
        folders.tidy(place)
        folders.write(place, files, self._mode, self._group_shared)
        return self._commit(graded.student, receipt)

    def _commit(self, student: str, receipt: dict[str, Any]) -> float:
        place = self.place(student)
        marks = {
            name: Marks(dict(of["scores"]), frozenset(of["unanswered"]))
            for name, of in receipt["marks"].items()
        }
        marks = self._with_changes(student, place, marks)
        score = self.gradebook.record(student, marks, _timestamp(receipt))
        folders.place_staged(place)
        return score

    def _with_changes(self, student: str, place: Path, marks: dict[str, Marks]) -> dict[str, Marks]:
        """Note the tasks that a person has graded and the student has answered anew since."""
        old = folders.before(place)
        if not old.exists():
            return marks
        for notebook, tasks in self.gradebook.manually_graded(student).items():
            if notebook not in marks:
                continue
            was = answers(old / f"{notebook}.ipynb")
            now = answers(folders.staged(place) / f"{notebook}.ipynb")
            changed = {task for task in tasks if was.get(task) != now.get(task)}
            marks[notebook] = replace(marks[notebook], changed=frozenset(changed))
        return marks


def digest_of(submission: str, assignments: Iterable[Assignment]) -> str:
    """One hash of a submission's files and of the notebooks that they are graded by."""
    text = " ".join([submission, *(assignment.digest for assignment in assignments)])
    return hashlib.sha256(text.encode()).hexdigest()


def withdraw(place: Path) -> None:
    """Take the receipt out of an autograded folder whose results are about to change."""
    (place / RECEIPT).unlink(missing_ok=True)


def vouch(
    place: Path,
    digest: str,
    timestamp: dt.datetime | None,
    notebooks: Iterable[str],
    mode: int = 0o444,
) -> None:
    """Write the receipt into an autograded folder whose results are all there."""
    file = place / RECEIPT
    file.write_bytes(_dumps(_receipt_of(digest, timestamp, notebooks)))
    file.chmod(mode)


def answers(notebook: Path) -> dict[str, list[str]]:
    """What stands below each task, up to the next cell that nbgrader knows."""
    if not notebook.exists():
        return {}
    found: dict[str, list[str]] = {}
    task = ""
    for cell in json.loads(notebook.read_bytes())["cells"]:
        known = cell["metadata"].get("nbgrader", {})
        if known.get("grade_id"):
            task = known["grade_id"] if known.get("task") else ""
            if task:
                found[task] = []
        elif task:
            source = cell["source"]
            found[task].append(source if isinstance(source, str) else "".join(source))
    return found


def _receipt_of(
    digest: str, timestamp: dt.datetime | None, notebooks: Iterable[str]
) -> dict[str, Any]:
    return {
        "digest": digest,
        "timestamp": None if timestamp is None else timestamp.isoformat(),
        "notebooks": sorted(notebooks),
    }


def _dumps(receipt: dict[str, Any]) -> bytes:
    return json.dumps(receipt, indent=1, sort_keys=True).encode() + b"\n"


def _receipt(folder: Path) -> dict[str, Any] | None:
    try:
        receipt = json.loads((folder / RECEIPT).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    complete = isinstance(receipt, dict) and {"digest", "timestamp", "notebooks"} <= set(receipt)
    return receipt if complete else None


def _timestamp(receipt: dict[str, Any]) -> dt.datetime | None:
    text = receipt["timestamp"]
    return None if text is None else dt.datetime.fromisoformat(text)
