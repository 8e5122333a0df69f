"""Examine submissions: (submission, assignment) in, executed notebook and verdicts out.

No database, no files of the course: what an examination needs is sent to it, so it runs anywhere.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from nbformat import NotebookNode, from_dict

from grader.course.assignment import Assignment
from grader.submissions.submission import Submission
from grader.wall.examiner import Step, receive, send
from grader.wall.executed import executed_notebook
from grader.wall.sandbox import Limits, WallError


class ExaminationLost(WallError):  # noqa: N818 - named after the situation
    """The examiner broke down with one submission; the next one gets a new examiner."""


@dataclass(frozen=True)
class Verdict:
    """What one graded cell found.

    points: earned, of max_points. message: for the student; empty where it passed. printed: what
    the student's functions printed meanwhile, and written, what the check itself did: for staff.
    """

    grade_id: str
    points: float
    max_points: float
    message: str
    printed: str = ""
    written: str = ""

    @property
    def passed(self) -> bool:
        return not self.message


@dataclass(frozen=True)
class Examined:
    """An examined submission.

    executed: the notebook as JSON has it, without hidden tests, safe to show. verdicts: one for
    each graded cell. notes: for staff, one line each. seconds: wall time, by cell index in the
    notebook. timed_out: the cells, by index, that a limit on wall time kept from finishing.
    """

    executed: dict[str, Any]
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]
    seconds: dict[int, float]
    timed_out: tuple[int, ...]

    @property
    def notebook(self) -> NotebookNode:
        """The executed notebook, for nbformat and nbconvert."""
        notebook: NotebookNode = from_dict(self.executed)
        return notebook

    @property
    def points(self) -> float:
        return sum(verdict.points for verdict in self.verdicts)


@dataclass
class Wall:
    """The warm processes for one assignment; keep it for many submissions, and close it.

    Starts on the first submission and again after it broke. Use it from one thread at a time.
    hidden: folders that must not be visible inside, the course's above all. protected: False runs
    student code with all rights of this account.
    """

    assignment: Assignment
    limits: Limits = field(default_factory=Limits)
    hidden: tuple[Path, ...] = ()
    protected: bool = True
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _socket: socket.socket | None = field(default=None, init=False)

    def __enter__(self) -> Wall:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the warm processes and prove the wall. Raises WallError."""
        if self._socket is not None:
            return
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-B", "-m", "grader.wall.examiner", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **_ONE_THREAD},
                cwd="/",
            )
        order = (self.assignment, self.limits, self.hidden, self.protected)
        answer = self._ask(pickle.dumps(order), 120)
        if failed := answer.get("failed"):
            self.close()
            raise WallError(failed)

    def examine(self, submission: Submission, seed: int = 0) -> Examined:
        """Run a submission's cells behind the wall and the graded cells in front of it.

        seed: what hidden inputs are drawn from. Raises WallError where the wall broke down.
        """
        self.start()
        indices, steps = [], []
        for i, cell in enumerate(submission.cells):
            if cell.kind in {"solution", "added", "check"} and cell.cell_type == "code":
                indices.append(i)
                check = cell.kind == "check"
                steps.append(Step("", cell.grade_id) if check else Step(cell.source, None))
        answer = self._ask(pickle.dumps((steps, seed)), self.limits.submission_seconds + 60)
        if answer.get("last", True):
            self.close()
        if failed := answer.get("failed"):
            raise ExaminationLost(failed)
        records = dict(zip(indices, answer["records"], strict=True))
        return _examined(self.assignment, submission, records)

    def close(self) -> None:
        """End the processes. The wall can be started again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _ask(self, order: bytes, seconds: float) -> dict[str, Any]:
        assert self._socket is not None
        self._socket.settimeout(seconds)
        try:
            send(self._socket, order)
            answer = receive(self._socket)
        except OSError:
            answer = None
        if answer is None:
            if self._process is not None:
                self._process.kill()
            self.close()
            raise ExaminationLost("the examiner broke down or did not answer; it was not graded")
        decoded: dict[str, Any] = json.loads(answer)
        return decoded


_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _examined(
    assignment: Assignment,
    submission: Submission,
    records: dict[int, dict[str, Any]],
) -> Examined:
    verdicts, notes = {}, list(submission.notes)
    for i, record in records.items():
        grade_id = record["grade_id"]
        if grade_id is None:
            if stopped := record.get("stopped"):
                notes.append(f"cell {i + 1} was stopped: {stopped}")
            continue
        most = assignment.by_id[grade_id].points
        passed = bool(record["passed"])
        message = "" if passed else record["message"] or "the check failed"
        verdicts[grade_id] = Verdict(
            grade_id,
            most if passed else 0.0,
            most,
            message,
            record.get("printed", ""),
            record.get("written", ""),
        )
    ordered = tuple(verdicts[cell.grade_id] for cell in assignment.checks)
    return Examined(
        executed_notebook(assignment, submission, records, verdicts),
        ordered,
        tuple(notes),
        {i: float(record["seconds"]) for i, record in records.items()},
        tuple(i for i, record in records.items() if record["timed_out"]),
    )
