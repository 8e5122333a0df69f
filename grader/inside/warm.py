"""What runs inside the sandbox: one warm process, and a fork of it for each submission.

The warm process imports what the notebook's given cells import, runs them, and then only forks,
watches and kills; it never runs a line of a submission. Its fork shuts itself in (`confine`) and
answers one request after the other: run a cell, call a function. Nothing in here is secret, and
nothing that the fork says is believed: the examiner treats it as bytes from a stranger.

Run as `python warm.py FD PROTECTED`; FD is a socket to the examiner, PROTECTED 0 or 1.
"""

from __future__ import annotations

import gc
import json
import os
import random
import resource
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

if __name__ == "__main__":  # started by path, without `site`
    gc.disable()  # what is collected leaves gaps, which the forks would fill, copying the pages
    sys.path[:0] = sys.argv[3:]

import numpy as np

from grader.inside import codec, confine
from grader.inside.shell import Cells, Outputs, make_shell, own_line
from tinytorch.core.networks import create_mlp

_WATCH_SECONDS = 0.1
_WARM_UP_ROUNDS = 10
_TICKS = os.sysconf("SC_CLK_TCK")
_LENGTH = struct.Struct("<I")
_PIECE = 2**13  # bytes; nearly every request is one piece


Outcome = tuple[Any, ...]
"""What came of a call: a kind and what belongs to it, plain but for the second part of a value."""


class Settings(NamedTuple):
    """What the warm process is told once. Sizes in bytes."""

    cells: list[str]
    classes: list[str]
    output_bytes: int
    picture_bytes: int


class WarmProcess:
    """Forks one process at a time on the examiner's orders."""

    def __init__(self, control: socket.socket, protected: bool) -> None:
        self._control = control
        self._protected = protected
        self._home, self._system_calls = -1, b""
        if protected:
            self._home = confine.own_pid_namespace()
            self._system_calls = confine.system_call_filter()
            confine.empty_bounding_set()
        self._child = 0
        self._killed_for: str | None = None
        self._scratch = ""

    def serve(self) -> None:
        """Obey until the examiner is gone."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        while True:
            if not poll.poll(_WATCH_SECONDS * 1000 if self._child else None):
                self._watch()
                continue
            message, descriptors, _, _ = socket.recv_fds(self._control, 2**24, 2)
            if not message:
                break
            order = json.loads(message)
            answer = getattr(self, "_" + order.pop("order"))(*descriptors, **order)
            self._control.send(json.dumps(answer).encode())
        if self._child:
            self._end()

    def _prepare(self, **settings: Any) -> dict[str, Any]:
        self._settings = Settings(**settings)
        self._outputs = Outputs(self._settings.output_bytes, self._settings.picture_bytes)
        self._shell = make_shell(self._outputs)
        cells = Cells(self._shell, self._outputs, None)
        standard = sys.stdout, sys.stderr
        for source in [*self._settings.cells, "1\n"]:
            outputs, complete = cells.run(source)
            if not complete:
                return {"failed": outputs}
        sys.stdout, sys.stderr = standard
        _warm_up(cells)
        random.seed(0)
        np.random.seed(0)  # the state that careless code draws from
        gc.freeze()  # the forks share what is there, and need not look through it
        gc.enable()
        gc.set_threshold(50_000)
        return {}

    def _start(
        self, channel: int, printed: int, limits: dict[str, int], processors: list[int]
    ) -> dict[str, Any]:
        confine.run_on(processors)  # its fork does, too
        self._limits = confine.Confinement(**limits)
        mapped = confine.mapped_memory()
        self._own_memory = _resident(os.getpid())
        self._killed_for = None
        if self._protected:
            self._child = confine.fork_first_process(self._home)
        else:
            self._scratch = tempfile.mkdtemp()
            self._child = os.fork()
        if self._child == 0:
            self._become_submission(channel, printed, mapped)
        os.close(channel)
        os.close(printed)
        return {}

    def _become_submission(self, channel: int, printed: int, mapped: int) -> None:
        try:
            os.setsid()  # a signal to its process group must not reach the warm process
            if self._protected:
                confine.confine(self._limits, mapped, self._system_calls)
            else:
                os.chdir(self._scratch)
            sys.path.insert(0, "")  # as in a kernel: what a cell writes can be imported
            self._shell.limit_behind = lambda error: confine.limit_behind(error, self._limits)
            os.environ["HOME"] = os.environ["TMPDIR"] = tempfile.tempdir = os.getcwd()
            _serve_submission(channel, printed, self._shell, self._outputs, self._settings)
        except confine.ConfinementError as error:
            os.write(printed, str(error).encode())
        finally:
            os._exit(1)

    def _interrupt(self) -> dict[str, Any]:
        os.kill(self._child, signal.SIGINT)
        return {}

    def _end(self) -> dict[str, Any]:
        """Kill the submission's process, with all it started, and say how it had ended."""
        if self._protected:
            os.kill(self._child, signal.SIGKILL)
        else:
            os.killpg(self._child, signal.SIGKILL)
            shutil.rmtree(self._scratch, ignore_errors=True)
        _, status, usage = os.wait4(self._child, 0)
        self._child = 0
        return {
            "status": os.waitstatus_to_exitcode(status),
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "killed_for": self._killed_for,
        }

    def _watch(self) -> None:
        """Kill a submission whose processes together use more than a limit."""
        if not self._protected:
            return
        spared = {1, os.getpid()}
        pids = [
            pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid not in spared
        ]
        most = self._limits.memory + self._own_memory
        if self._killed_for is not None:
            return
        if sum(map(_processor_seconds, pids)) >= self._limits.cpu_seconds:
            self._killed_for = "cpu"
        elif all(sum(map(measure, pids)) > most for measure in (_resident, _proportional)):
            self._killed_for = "memory"
        if self._killed_for is not None:
            os.kill(self._child, signal.SIGKILL)


def _processor_seconds(pid: int) -> float:
    """Processor time of a process and of its children that have ended."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            ticks = map(int, stat.read().rpartition(")")[2].split()[11:15])
    except OSError:  # it has just ended
        return 0.0
    return sum(ticks) / _TICKS


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):  # it has just ended
        return 0


def _proportional(pid: int) -> int:
    """Resident memory where pages that processes share count once in all; slow to find out."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            return sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
    except (OSError, IndexError):  # it has just ended
        return 0


# --- the submission's own process -------------------------------------------------------------


def _serve_submission(
    channel: int, printed: int, shell: Any, outputs: Outputs, settings: Settings
) -> None:
    captured = os.open(".output", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor, source in enumerate((null, captured, captured)):
        os.dup2(source, descriptor)
    channel = os.dup2(channel, 10)
    captured = os.dup2(captured, 11)
    outputs.kept = os.dup2(printed, 12)
    os.closerange(3, 10)
    os.closerange(13, 4096)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    submission = Submission(Cells(shell, outputs, captured), settings.classes)
    with socket.socket(fileno=channel) as stream:
        for request in requests(stream):
            reply = submission.answer(request)
            stream.sendall(_LENGTH.pack(len(reply)) + reply)


def requests(stream: socket.socket) -> Iterator[bytes]:
    """The requests that come in, one after the other, until the examiner is gone."""
    data = bytearray()
    while True:
        while len(data) < _LENGTH.size or len(data) < _LENGTH.size + _LENGTH.unpack_from(data)[0]:
            try:
                piece = stream.recv(_PIECE)
            except KeyboardInterrupt:  # meant for the call that has just answered
                continue
            if not piece:
                return
            data += piece
        end = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        yield bytes(data[_LENGTH.size : end])
        del data[:end]


class Submission:
    """Answers requests with the student's code. Instances of the student's classes stay here.

    A request is `"cell", source` or `what, owners, name, new, cases`: what is "call" (with
    arguments for one call or several) or "attribute" (without an argument to read it, with one to
    set it); an owner, one for each case, is the name of a function or class, or an instance; `new`
    says that the results are instances to be kept here. The answer to the latter is what was
    printed, the numbers of the arguments that were changed in place, an outcome for each case, the
    new contents of those arguments.
    """

    def __init__(self, cells: Cells, classes: list[str]) -> None:
        self._cells = cells
        self._names = cells.shell.user_ns
        self._classes = classes
        self._objects: list[object] = []

    def answer(self, request: bytes) -> bytes:
        decoder = codec.Decoder(request, reference=lambda handle: self._objects[handle.number])
        what = decoder.plain()
        if what == "cell":
            outputs, _ = self._cells.run(decoder.plain())
            encoder = codec.Encoder(number=False)
            return encoder.message(encoder.outline(outputs))
        owners, name, new = decoder.value(), decoder.plain(), decoder.plain()
        cases = decoder.cases()
        then = codec.held(decoder.nodes)
        self._cells.begin()
        results = (
            self._call(owners, name, cases)
            if what == "call"
            else self._attribute(owners, name, cases)
        )
        printed = "".join(item.get("text", "") for item in self._cells.finish())
        _close_figures()
        if new:
            results = [self._kept(result) for result in results]
        try:
            changed = codec.changed(decoder.nodes, then)
            return self._reply(printed, results, decoder.nodes, changed)
        except Exception as error:  # noqa: BLE001 - a value may raise anything when it is read
            return self._reply(printed, [_unreadable(error)] * len(results), (), ())

    def _call(self, owners: tuple[Any, ...], method: str, cases: list[codec.Case]) -> list[Outcome]:
        """Call once for each case, as long as no more than an `Exception` is raised."""
        results: list[Outcome] = []
        for owner, (args, kwargs) in zip(owners, cases, strict=True):
            try:
                function = self._names[owner] if isinstance(owner, str) else owner
            except KeyError:
                return [("missing", owner)]
            try:
                value = (getattr(function, method) if method else function)(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer
                results.append(self._described(error))
                if not isinstance(error, Exception):
                    break
            else:
                results.append(("value", value))
        return results

    def _attribute(
        self, owners: tuple[Any, ...], name: str, cases: list[codec.Case]
    ) -> list[Outcome]:
        [owner], [(new, _)] = owners, cases
        try:
            holder = self._names[owner] if isinstance(owner, str) else owner
            if new:
                setattr(holder, name, new[0])
                return [("value", None)]
            value = getattr(holder, name)
        except BaseException as error:  # noqa: BLE001 - a property runs the student's code
            return [self._described(error)]
        return [("method",)] if callable(value) else [("value", value)]

    def _reply(
        self,
        printed: str,
        results: list[Outcome],
        given: Sequence[object],
        changed: Sequence[int],
    ) -> bytes:
        encoder = codec.Encoder(given, number=False, reference=self._reference)
        outcomes = [
            ("value", encoder.outline(result[1])) if result[0] == "value" else result
            for result in results
        ]
        contents = [encoder.contents(given[i]) for i in changed]
        return encoder.message(printed, list(changed), outcomes, *contents)

    def _kept(self, result: Outcome) -> Outcome:
        """A new instance's place among those that stay here."""
        kind, *details = result
        return (kind, codec.Handle("", self._keep(details[0]))) if kind == "value" else result

    def _described(self, error: BaseException) -> Outcome:
        """An exception as text: builtin classes, type, first line, the line it is from."""
        bases = [cls.__name__ for cls in type(error).__mro__ if cls.__module__ == "builtins"]
        try:
            limit = self._cells.shell.limit_behind(error)
            text = (str(error).splitlines() or [""])[0][: 200 - len(limit)] + limit
        except Exception:  # noqa: BLE001 - a student's __str__ may raise anything
            text = ""
        line = own_line(error.__traceback__)
        return "raised", bases, type(error).__name__[:100], text, line or ()

    def _keep(self, instance: object) -> int:
        for number, known in enumerate(self._objects):
            if known is instance:
                return number
        self._objects.append(instance)
        return len(self._objects) - 1

    def _reference(self, value: object) -> codec.Handle | None:
        if type(value) is codec.Handle:
            return value
        for name in self._classes:
            cls = self._names.get(name)
            if isinstance(cls, type) and isinstance(value, cls):
                return codec.Handle(name, self._keep(value))
        return None


_WARM_UP_CELL = """
def warm_up(model, layer, array, ratio=0.5):
    import copy
    import numpy as np
    from tinytorch.core.layers import Dense
    from tinytorch.core.tensor import Tensor
    if ratio > 1:
        raise ValueError("ratio")
    layer.weights.data[0] = ratio
    order = np.argsort(np.abs(array), axis=None) + np.partition(array.ravel(), 1)[0]
    array = np.clip(np.rint(array / array.max()), array.min(), float(np.mean(array)) + order.sum())
    shares = np.exp(array - array.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(np.maximum(shares, 1e-9))) + np.sqrt(np.sum(array**2))
    kept = np.where(array > loss, array, 0.0)[:, np.array([True, False])]
    small = Dense(2, 2, use_bias=layer.bias is not None)
    small.weights = Tensor(array.astype(np.float32))
    counts = [np.count_nonzero(small.weights.data), sum(p.size for p in model.parameters())]
    if not np.isfinite(array).all() or np.any(np.asarray(array).std(axis=0) < 0):
        return None
    model = copy.deepcopy(model)
    model.forward(Tensor(np.zeros((1, 3))))
    return layer, {"array": array, "model": model, "kept": kept, "list": [1, 2.0, True, counts]}
"""


def _warm_up(cells: Cells) -> None:
    """Run a made-up cell and answer made-up requests, so that each fork finds this code fast."""
    names = dict(cells.shell.user_ns)
    submission = Submission(cells, [])
    for ratio in [0.5, 2.0] * _WARM_UP_ROUNDS:
        cells.run(_WARM_UP_CELL)
        cells.run("ratio = 0.5\nratio")
        model, encoder = create_mlp(3, [2], 2, rng=0), codec.Encoder()
        cases = encoder.cases([((model, model.layers[0], np.ones((2, 2))), {"ratio": ratio})] * 2)
        owners = encoder.outline(("warm_up", "warm_up"))
        answer = submission.answer(encoder.message("call", owners, "", False, cases))
        codec.Decoder(answer, encoder.nodes, number=False).plain()
    for name in cells.shell.user_ns.keys() - names.keys():
        del cells.shell.user_ns[name]
    cells.shell.user_ns.update(names)


def _unreadable(error: Exception) -> Outcome:
    text = str(error)[:200] if isinstance(error, codec.CodecError) else ""
    return "unreadable", type(error).__name__[:100], text


def _close_figures() -> None:
    """Figures drawn during a check are nobody's output."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and pyplot.get_fignums():
        pyplot.close("all")


if __name__ == "__main__":
    examiner = socket.socket(fileno=int(sys.argv[1]))  # it ends us as soon as this is closed
    try:
        process = WarmProcess(examiner, sys.argv[2] == "1")
    except confine.ConfinementError as error:
        sys.exit(str(error))
    process.serve()
