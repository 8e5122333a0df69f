"""The examiner: graded cells run here, with stand-ins for what the student had to define.

Run as `python -m grader.wall.examiner FD`; the driver sends orders over the socket FD. One process
stays warm for one assignment: it has imported what the given cells import and holds the sandbox.
For each submission the names and the random state are new; what reaches this process from a
submission is plain data, so nothing else can differ. After a check that had to be interrupted it
ends.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import pickle
import random
import resource
import signal
import socket
import struct
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from grader.course.assignment import Assignment
from grader.inside import confine
from grader.wall import probe, standins
from grader.wall.channel import CallFailed, Channel, TimedOut
from grader.wall.sandbox import Limits, Sandbox, WallError

SEED = "TINYTORCH_CHECK_SEED"
MAX_MESSAGE = 1500
_MEMORY = 2**30  # beyond what the warm process has
_HEADER = struct.Struct("<Q")


class Step(NamedTuple):
    """One thing to do: run a cell of the student's (grade_id None), or the master's check."""

    source: str
    grade_id: str | None


class CheckTimeout(BaseException):
    """A graded cell took too long by itself; nothing in a test cell catches it."""


class Examination:
    """One submission in front of the graded cells."""

    def __init__(self, assignment: Assignment, code: dict[str, CodeType], sandbox: Sandbox) -> None:
        self._assignment = assignment
        self._code = code
        self._limits = sandbox.limits
        self._channel = Channel(sandbox)
        self._calls = standins.Calls(self._channel, sandbox.limits.check_seconds)
        self.interrupted = False
        self._names: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}

    def run(self, steps: list[Step]) -> list[dict[str, Any]]:
        """Do the steps in order; one plain record each."""
        signal.signal(signal.SIGALRM, self._alarm)
        for cell in self._assignment.given:
            exec(self._code[cell.grade_id], self._names)  # noqa: S102 - the course's own cell
        for name in self._assignment.functions:
            self._names[name] = standins.Function(self._calls, name)
        for cls in self._assignment.classes:
            self._names[cls.name] = standins.class_(cls.name, cls.methods, self._calls)
        if "outcomes" in self._names:
            self._names["outcomes"] = standins.outcomes(self._names["outcomes"])
        try:
            return [self._step(step) for step in steps]
        finally:
            self._channel.close()
            self._calls.begin()

    def _step(self, step: Step) -> dict[str, Any]:
        begun = time.perf_counter()
        if self._channel.seconds_left() <= 0:
            up = f"the {self._limits.submission_seconds:g} s for the whole submission are up"
            record: dict[str, Any] = {
                "outputs": [],
                "passed": False,
                "message": up,
                "timed_out": True,
            }
        elif step.grade_id is None:
            result = self._channel.run_cell(step.source)
            record = {
                "outputs": result.outputs,
                "stopped": str(result.failure) if result.failure else None,
                "timed_out": isinstance(result.failure, TimedOut),
            }
        else:
            record = self._check(step.grade_id)
        return {**record, "grade_id": step.grade_id, "seconds": time.perf_counter() - begun}

    def _check(self, grade_id: str) -> dict[str, Any]:
        self._channel.rebuild()
        self._calls.begin()
        message, timed_out, written = None, False, io.StringIO()
        backstop = self._limits.check_seconds + 2 * self._limits.grace_seconds
        try:
            with _written_to(written), _alarm_after(backstop):
                exec(self._code[grade_id], dict(self._names))  # noqa: S102 - the course's own cell
        except CheckTimeout:
            self.interrupted = timed_out = True
            message = f"the check did not finish within {self._limits.check_seconds:g} s"
        except Exception as error:  # noqa: BLE001 - any of them is the verdict
            message = self._told(error)
        if self._calls.failure is not None:  # also where the check went on
            message = self._calls.failure.message
            timed_out = timed_out or self._calls.failure.timed_out
        return {
            "passed": message is None,
            "message": _bounded(message or ""),
            "timed_out": timed_out,
            "printed": self._calls.printed,
            "written": written.getvalue()[:10_000],
        }

    def _alarm(self, _: int, __: FrameType | None) -> None:
        if self._channel.busy:  # a request has a time limit of its own
            signal.setitimer(signal.ITIMER_REAL, 0.2)
        else:
            raise CheckTimeout

    def _told(self, error: Exception) -> str:
        for raised in self._calls.raised:
            if raised.error is error:
                return "; ".join([raised.said, *getattr(error, "__notes__", [])])
        if isinstance(error, AssertionError):
            return _text(error) or "a condition of this check does not hold"
        return f"the result could not be checked ({type(error).__name__}: {_text(error)})"


def _text(error: Exception) -> str:
    try:
        return str(error)
    except (CallFailed, RecursionError, ValueError) as other:
        return f"no text: {type(other).__name__}"


def _bounded(message: str) -> str:
    text = message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + " ..."
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


@contextlib.contextmanager
def _written_to(text: io.StringIO) -> Iterator[None]:
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        yield


@contextlib.contextmanager
def _alarm_after(seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


# --- the warm process -----------------------------------------------------------------------------


def send(stream: socket.socket, data: bytes) -> None:
    stream.sendall(_HEADER.pack(len(data)) + data)


def receive(stream: socket.socket) -> bytes | None:
    """The next message, None at the end."""
    header = stream.recv(_HEADER.size, socket.MSG_WAITALL)
    if len(header) < _HEADER.size:
        return None
    (length,) = _HEADER.unpack(header)
    data = bytearray()
    while len(data) < length:
        piece = stream.recv(min(length - len(data), 2**20))
        if not piece:
            return None
        data += piece
    return bytes(data)


def prepare(
    assignment: Assignment, limits: Limits, hidden: tuple[Path, ...], protected: bool
) -> tuple[Sandbox, dict[str, CodeType]]:
    """Warm up: the sandbox, the given cells' imports, the graded cells compiled."""
    sandbox = Sandbox(limits, hidden, protected)
    sandbox.start([cell.source for cell in assignment.given], [c.name for c in assignment.classes])
    code = {
        cell.grade_id: compile(cell.source, cell.grade_id, "exec", dont_inherit=True)
        for cell in (*assignment.given, *assignment.checks)
    }
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in assignment.given:
        try:
            exec(code[cell.grade_id], names)  # noqa: S102 - the course's own cell
        except Exception as error:
            raise WallError(
                f"the given cell {cell.grade_id} of {assignment.notebook} fails here: "
                f"{type(error).__name__}: {error}; nothing was graded"
            ) from error
    sandbox.wait()
    if protected:
        probe.prove(sandbox)
    return sandbox, code


def serve(driver: socket.socket) -> None:
    """Obey the driver until it is gone. It is trusted, so its orders may be pickled."""
    order = receive(driver)
    if order is None:
        return
    assignment, limits, hidden, protected = pickle.loads(order)  # noqa: S301 - from our own driver
    try:
        sandbox, code = prepare(assignment, limits, hidden, protected)
    except WallError as error:
        send(driver, json.dumps({"failed": str(error)}).encode())
        return
    send(driver, b"{}")
    gc.collect()
    gc.freeze()  # what is there now need not be looked through again and again
    gc.set_threshold(50_000)
    _limit_memory()
    again = True
    while again and (order := receive(driver)) is not None:
        steps, seed = pickle.loads(order)  # noqa: S301 - from our own driver
        again = _examine(driver, Examination(assignment, code, sandbox), steps, seed)
    sandbox.close()


def _examine(driver: socket.socket, examination: Examination, steps: list[Step], seed: int) -> bool:
    """Examine a submission and tell the driver; whether this process is fit for another one."""
    gc.collect()  # what is left of the last submission: values of up to a limit on memory
    os.environ[SEED] = str(seed)
    random.seed(0)
    np.random.seed(0)
    warnings.resetwarnings()
    try:
        records = examination.run(steps)
    except WallError as error:
        send(driver, json.dumps({"failed": str(error)}).encode())
        return False
    last = examination.interrupted
    send(driver, json.dumps({"records": records, "last": last}).encode())
    return not last


def _limit_memory() -> None:
    """An enormous value may cost its own check a MemoryError, and the machine nothing."""
    most = confine.mapped_memory() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    os.environ["NBGRADER_EXECUTION"] = "autograde"
    os.environ.setdefault("MPLBACKEND", "agg")
    with (
        socket.socket(fileno=int(sys.argv[1])) as driver,
        contextlib.suppress(BrokenPipeError, ConnectionResetError),  # the driver is gone
    ):
        serve(driver)
