"""What a worker does, in a pool's process or on another machine: examine, and make pages.

A task carries all that it needs. A worker keeps the warm processes of the assignments it has seen,
one set for each of its threads.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import math
import pickle
import signal
import threading
import time
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat.notebooknode import NotebookNode, from_dict
from nbgrader.preprocessors import LimitOutput
from nbgrader.utils import compute_checksum

from grader.course.assignment import Assignment
from grader.engine import notebook_json
from grader.engine.gradebook import Marks, Sheet
from grader.feedback import page as feedback
from grader.submissions.submission import Submission
from grader.wall.examine import Examined, Wall
from grader.wall.sandbox import Limits, WallError

PRINTED = 2000
"""Characters kept of what is printed during a graded cell."""

_PR_SET_PDEATHSIG = 1


class WallUnavailableError(Exception):
    """The wall cannot be built on the worker's machine: nothing can be graded there."""


@dataclass(frozen=True)
class Master:
    """An assignment's notebook and how to examine it, packed for the way to a worker."""

    digest: str
    packed: bytes
    limits: Limits
    hidden: tuple[Path, ...]
    protected: bool
    lines: tuple[int, int]

    @classmethod
    def of(
        cls,
        assignment: Assignment,
        limits: Limits,
        hidden: tuple[Path, ...],
        protected: bool = True,
        lines: tuple[int, int] = (1000, 100),
    ) -> Master:
        """hidden, protected: as of `Wall`. lines: of output and of a traceback that are kept."""
        packed = zlib.compress(pickle.dumps(assignment))
        return cls(assignment.digest, packed, limits, hidden, protected, lines)


@dataclass(frozen=True)
class ExamineTask:
    """One submission: for each of its notebooks the master, the submission and its secret seed."""

    student: str
    parts: tuple[tuple[Master, Submission, int], ...]


@dataclass(frozen=True)
class Examination:
    """What examining a submission gave: by notebook the executed notebook (JSON) and the marks.

    seconds: wall time in all. cells: of each cell, by "notebook/grade_id" or "notebook/number".
    timed_out: the cells that a limit on time kept from finishing. notes: for staff. printed: also
    for staff, what was printed during graded cells, the beginning of it, by cell.
    """

    notebooks: dict[str, bytes] = field(default_factory=dict)
    marks: dict[str, Marks] = field(default_factory=dict)
    seconds: float = 0.0
    cells: dict[str, float] = field(default_factory=dict)
    timed_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    printed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PagesTask:
    """One student's feedback: for each notebook its name, the executed notebook, the standing."""

    student: str
    digest: str
    parts: tuple[tuple[str, bytes, Sheet], ...]
    shown: Mapping[str, Mapping[str, str]]


def examine(task: ExamineTask) -> Examination:
    """Examine a submission. Raises WallUnavailableError, and WallError where the wall broke."""
    began = time.perf_counter()
    notebooks: dict[str, bytes] = {}
    marks: dict[str, Marks] = {}
    cells: dict[str, float] = {}
    timed_out: list[str] = []
    notes: list[str] = []
    printed: dict[str, str] = {}
    for master, submission, seed in task.parts:
        wall = _wall(master)
        examined = wall.examine(submission, seed)
        name = wall.assignment.notebook
        notebooks[name] = _dumps(examined.executed, master.lines)
        marks[name] = _marks(wall.assignment, submission, examined)
        ids = [f"{name}/{cell.grade_id or i}" for i, cell in enumerate(submission.cells)]
        cells |= {ids[i]: round(seconds, 4) for i, seconds in examined.seconds.items()}
        timed_out += [ids[i] for i in examined.timed_out]
        notes += examined.notes
        said = {f"{name}/{v.grade_id}": (v.printed + v.written).strip() for v in examined.verdicts}
        printed |= {cell: text[:PRINTED] for cell, text in said.items() if text}
    seconds = time.perf_counter() - began
    return Examination(notebooks, marks, seconds, cells, tuple(timed_out), tuple(notes), printed)


def make_pages(task: PagesTask) -> dict[str, bytes]:
    """A student's feedback pages (HTML), by notebook name."""
    return {
        name: feedback.page(json.loads(notebook), name, sheet, task.shown.get(name)).encode()
        for name, notebook, sheet in task.parts
    }


def follow_parent() -> None:
    """End with the process that started this one, also when that is killed (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which ends us


_warm = threading.local()


def _wall(master: Master) -> Wall:
    """This thread's warm processes for an assignment."""
    walls: dict[Master, Wall] = _warm.__dict__.setdefault("walls", {})
    if master not in walls:
        for old in walls.values():
            old.close()
        walls.clear()
        assignment = pickle.loads(zlib.decompress(master.packed))  # noqa: S301, from the driver
        wall = Wall(assignment, master.limits, master.hidden, master.protected)
        try:
            wall.start()
        except (WallError, OSError) as error:
            raise WallUnavailableError(str(error)) from error
        atexit.register(wall.close)
        walls[master] = wall
    return walls[master]


def _dumps(notebook: dict[str, Any], lines: tuple[int, int]) -> bytes:
    """The notebook as nbgrader's converter writes it."""
    most = min(n for n in (*lines, math.inf) if n != -1)
    for i, cell in enumerate(notebook["cells"]):
        if _most_lines(cell.get("outputs", ())) > most:
            limit = LimitOutput(max_lines=lines[0], max_traceback=lines[1])
            notebook["cells"][i], _ = limit.preprocess_cell(from_dict(cell), {}, i)
    return notebook_json.writes(notebook).encode() + b"\n"


def _most_lines(outputs: Iterable[Mapping[str, Any]]) -> int:
    """As many lines as the outputs have together, texts and tracebacks, or a few more."""
    return sum(
        output.get("text", "").count("\n") + len(output.get("traceback", ())) + 1
        for output in outputs
    )


def _marks(assignment: Assignment, submission: Submission, examined: Examined) -> Marks:
    scores: dict[str, float | None] = {v.grade_id: v.points for v in examined.verdicts}
    unanswered = set()
    for cell in submission.cells:
        if cell.kind not in {"solution", "answer"} or cell.grade_id is None:
            continue
        master = assignment.by_id[cell.grade_id]
        known = NotebookNode(nbgrader=NotebookNode(master.metadata()))
        handed_in = NotebookNode(source=cell.source, cell_type=cell.cell_type, metadata=known)
        untouched = compute_checksum(handed_in) == master.released
        if untouched:
            unanswered.add(cell.grade_id)
        if cell.kind == "answer":
            scores[cell.grade_id] = 0.0 if untouched else None
    return Marks(scores, frozenset(unanswered))
