"""The examiner's end of a submission's process: requests with time limits, kills, rebuilds."""

from __future__ import annotations

import contextlib
import signal
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any

from grader.inside import codec
from grader.wall.sandbox import Sandbox

_LENGTH = struct.Struct("<I")
_PIECE = 2**13  # bytes; nearly every answer is one piece


class CallFailed(Exception):  # noqa: N818 - named after situations, as its subclasses
    """A request that got no answer a check could use. The message is for the student."""


class TimedOut(CallFailed):
    """It took longer than its limit. answer: what it said when it was interrupted, if anything."""

    def __init__(self, message: str, answer: bytes | None = None) -> None:
        super().__init__(message)
        self.answer = answer


class ProcessEnded(CallFailed):
    """The submission's process ended: it exited, crashed or was killed."""


@dataclass(frozen=True)
class CellResult:
    """What one cell did. failure: why it was stopped, None where it ran or raised by itself."""

    outputs: list[dict[str, Any]]
    failure: CallFailed | None = None


class Channel:
    """One submission's process, started when it is needed and rebuilt after it was lost.

    It is rebuilt from the cells that ran before, without those that took their process down: only
    while no check is at work, since what a check holds (instances) is lost with the process. A cell
    that was interrupted gets less time then; what it defines comes first as a rule.
    """

    def __init__(self, sandbox: Sandbox, deadline: float | None = None) -> None:
        """deadline: the end of the submission's time, by `time.monotonic`; None for its limit."""
        self._sandbox = sandbox
        self._limits = sandbox.limits
        self._deadline = deadline or time.monotonic() + self._limits.submission_seconds
        self._stream: _Stream | None = None
        self._cells: list[tuple[str, float]] = []  # and the seconds they get
        self._outputs_left = self._limits.outputs_kb * 1024
        self._outputs_cut = False
        self._printed = ""  # by what a process was at when it was lost
        self._cpu_seconds = 0.0
        self.busy = False  # in the middle of a request, which must not be cut short

    def close(self) -> None:
        self.lose()

    def seconds_left(self) -> float:
        return self._deadline - time.monotonic()

    def run_cell(self, source: str) -> CellResult:
        """Run a cell of the student's. Its outputs are the student's to see."""
        self.rebuild()
        self._printed, answer = "", b""
        failure: CallFailed | None = None
        try:
            answer = self.request(
                codec.Encoder().message("cell", source), self._limits.cell_seconds
            )
        except TimedOut as timeout:
            failure, answer = timeout, timeout.answer or b""
        except ProcessEnded as ending:
            failure = ending
        try:
            decoder = codec.Decoder(answer, number=False)
            outputs = self._fitting(decoder.value())
            decoder.end()
        except (codec.CodecError, ValueError):
            failure = failure or ProcessEnded(self.lose())
            left = {"output_type": "stream", "name": "stdout", "text": self._printed}
            return CellResult(self._fitting([left] if self._printed else []), failure)
        if self._stream is not None:
            limits = self._limits
            least = min(limits.cell_seconds, limits.check_seconds)
            self._cells.append((source, least if failure else limits.cell_seconds))
        return CellResult(outputs, failure)

    def _fitting(self, outputs: object) -> list[dict[str, Any]]:
        """Those of a cell's outputs that the submission may still have; a note for the rest."""
        if type(outputs) is not list:
            raise codec.CodecError("not the answer to a cell")
        kept: list[dict[str, Any]] = []
        for output in outputs:
            size = _size(output)
            if size <= self._outputs_left:
                self._outputs_left -= size
                kept.append(output)
            elif not self._outputs_cut:
                self._outputs_cut = True
                text = f"[outputs beyond {self._limits.outputs_kb} KB were left out]\n"
                kept.append({"output_type": "stream", "name": "stderr", "text": text})
        return kept

    def rebuild(self) -> None:
        """Make sure that there is a process, in the state that the cells so far led to."""
        while self._stream is None:
            self._stream = _Stream(self._sandbox.fork(self._cpu_seconds))
            for i, (source, seconds) in enumerate(self._cells):
                if self.seconds_left() <= 0:  # each cell would cost a grace more
                    return
                with contextlib.suppress(CallFailed):
                    self.request(codec.Encoder().message("cell", source), seconds)
                if self._stream is None:  # it did not take its process down before
                    del self._cells[i]
                    break

    def request(self, message: bytes, seconds: float, since: float | None = None) -> bytes:
        """Send a request and wait for its answer, for so many seconds since the given time.

        Raises TimedOut or ProcessEnded; after either the state is as the student left it, or the
        process is gone. Where it was gone before, raises CallFailed.
        """
        if self._stream is None:
            raise CallFailed("its process had ended before, in the same check")
        begun = since or time.monotonic()
        end = min(begun + seconds, self._deadline)
        self.busy = True
        try:
            self._stream.send(message, end)
            return self._stream.receive(end)
        except TimeoutError:
            answer = self._stop()
            if end == self._deadline:
                text = f"the {self._limits.submission_seconds:g} s for the whole submission are up"
            else:
                text = f"it did not finish within {seconds:g} s"
            raise TimedOut(text, answer) from None
        except (EOFError, OSError, codec.CodecError):
            raise ProcessEnded(self.lose()) from None
        finally:
            self.busy = False

    def _stop(self) -> bytes | None:
        """Interrupt what runs and return what it answers; where it does not, kill it."""
        assert self._stream is not None
        self._sandbox.interrupt()
        try:
            return self._stream.receive(time.monotonic() + self._limits.grace_seconds)
        except (TimeoutError, EOFError, OSError, codec.CodecError):
            self.lose()
            return None

    def lose(self) -> str:
        """Kill what is left of the process; why it had ended, in words."""
        if self._stream is None:
            return "its process was stopped"
        self._stream.close()
        self._stream = None
        ending = self._sandbox.end()
        self._cpu_seconds += ending.cpu_seconds
        self._printed = ending.printed
        limits = self._limits
        if ending.killed_for == "memory":
            return f"it needed more than {limits.memory_mb} MB of memory"
        if ending.killed_for == "cpu" or self._cpu_seconds >= limits.cpu_seconds:
            return f"it used more than {limits.cpu_seconds} s of processor time"
        if ending.status == -signal.SIGKILL:
            return "its process was stopped"
        if ending.status < 0:
            return f"it crashed Python ({signal.strsignal(-ending.status)})"
        return f"it ended Python (exit code {ending.status})"


def _size(output: object) -> int:
    """Characters, about, of an output, which is made of texts alone. Raises CodecError."""
    if type(output) is str:
        return len(output) + 10
    if type(output) is list:
        return 10 + sum(map(_size, output))
    if type(output) is dict:
        return 10 + sum(map(_size, output)) + sum(map(_size, output.values()))
    raise codec.CodecError("an output that is not made of texts")


class _Stream:
    """Frames over a socket, by a deadline. A read wakes up now and then to look at the time."""

    def __init__(self, connected: socket.socket) -> None:
        seconds, microseconds = 0, 50_000
        patience = struct.pack("ll", seconds, microseconds)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        self._socket = connected
        self._rest = b""

    def close(self) -> None:
        self._socket.close()

    def send(self, message: bytes, end: float) -> None:
        """Raises TimeoutError, OSError."""
        data = memoryview(_LENGTH.pack(len(message)) + message)
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                _look_at_the_time(end)

    def receive(self, end: float) -> bytes:
        """Raises TimeoutError, EOFError, OSError, CodecError."""
        data = self._read(_LENGTH.size, self._rest, end)
        (length,) = _LENGTH.unpack_from(data)
        if length > codec.MAX_MESSAGE:
            raise codec.CodecError("an answer beyond the bounds")
        whole = _LENGTH.size + length
        data = self._read(whole, data, end)
        self._rest = data[whole:]
        return data[_LENGTH.size : whole]

    def _read(self, count: int, begun: bytes, end: float) -> bytes:
        if len(begun) >= count:
            return begun
        pieces, size = [begun], len(begun)
        while size < count:
            _look_at_the_time(end)  # also where a byte comes now and then
            try:
                pieces.append(self._socket.recv(max(count - size, _PIECE)))
            except BlockingIOError:
                continue
            if not pieces[-1]:
                raise EOFError
            size += len(pieces[-1])
        return b"".join(pieces)


def _look_at_the_time(end: float) -> None:
    if time.monotonic() > end:
        raise TimeoutError
