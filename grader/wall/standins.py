"""Stand-ins: what a graded cell calls where the student's own functions and classes would be.

A call takes its arguments across the wall and brings back the result; what the student's code
changed in place is changed in place here, also when it raised. Test cells need not know.
"""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

from grader.inside import codec
from grader.wall.channel import CallFailed, Channel, ProcessEnded, TimedOut

_PRINTED = 100_000  # characters kept of what the calls of one graded cell print
_TRIES = 2  # after so many time-outs or crashes a function is not called again
_EXCEPTIONS: dict[str, type[Exception]] = {
    name: cls
    for name, cls in vars(builtins).items()
    if isinstance(cls, type)
    and issubclass(cls, Exception)
    and not issubclass(cls, UnicodeDecodeError | UnicodeEncodeError | UnicodeTranslateError)
    and not issubclass(cls, BaseExceptionGroup)
}


class _Raised(NamedTuple):
    """An exception of the student's code, and the sentence about it."""

    error: Exception
    said: str


class Calls:
    """The calls that graded cells make, and what is to be told about them afterwards."""

    def __init__(self, channel: Channel, seconds: float) -> None:
        """seconds: the time that one graded cell's calls may take together."""
        self._channel = channel
        self._seconds = seconds
        self._given_up: dict[str, int] = {}
        self._instances: dict[int, StandIn] = {}
        self.classes: dict[str, StandInClass] = {}
        self.begin()

    def begin(self) -> None:
        """Before each graded cell."""
        self.failure: CallFailed | None = None
        self.raised: list[_Raised] = []
        self.printed = ""
        self._begun = time.monotonic()
        self._instances.clear()

    def call(
        self,
        owner: str | StandIn,
        method: str,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
        cls: StandInClass | None = None,
    ) -> Any:
        """Call a function, a method, or (with `cls`) a class.

        Raises what the student's code raised, as the nearest builtin exception, or CallFailed.
        """
        name = self._name(owner, method)
        if self._given_up.get(name, 0) >= _TRIES:
            self._fail(CallFailed(f"{name} was not called again after it failed to return twice"))
        try:
            return self._ask(name, ("call", owner, method, cls is not None, args, kwargs), cls)
        except (TimedOut, ProcessEnded):
            self._given_up[name] = self._given_up.get(name, 0) + 1
            raise

    def attribute(self, owner: str | StandIn, name: str, *new: object) -> Any:
        """Read an attribute, or set it to `new`; a method comes back as a function."""
        return self._ask(self._name(owner, name), ("attribute", owner, name, *new), None)

    def _name(self, owner: str | StandIn, method: str) -> str:
        holder = owner if isinstance(owner, str) else type(owner).__name__
        return f"{holder}.{method}" if method else holder

    def _fail(self, failure: CallFailed) -> NoReturn:
        self.failure = self.failure or failure
        raise failure

    def _ask(self, name: str, request: tuple[Any, ...], cls: StandInClass | None) -> Any:
        encoder = codec.Encoder(reference=_handle)
        try:
            message = encoder.message(*map(encoder.outline, request))
            answer = self._channel.request(message, self._seconds, self._begun)
            decoder = codec.Decoder(answer, encoder.nodes, False, lambda h: self._instance(h, cls))
            kind, printed, *details = decoder.value()
            if not isinstance(printed, str):
                raise codec.CodecError("something printed that is no text")
            for number in decoder.value():
                decoder.update(encoder.nodes[number])
            decoder.end()
            outcome = self._outcome(name, kind, details)
        except CallFailed as failure:
            self._fail(type(failure)(f"{name}: {failure}"))
        except (codec.TooLargeError, codec.UnreadableError) as error:
            self._fail(CallFailed(f"{name}: {error}"))
        except (codec.CodecError, ValueError, TypeError, IndexError):
            self._fail(CallFailed(f"{name}: its answer could not be read"))
        self.printed += printed[: max(0, _PRINTED - len(self.printed))]
        if isinstance(outcome, _Raised):
            self.raised.append(outcome)
            raise outcome.error
        if kind == "method":
            _, owner, method = request
            return lambda *args, **kwargs: self.call(owner, method, args, kwargs)
        return outcome

    def _outcome(self, name: str, kind: str, details: list[Any]) -> Any:
        """The value of a call, or what it raised."""
        match kind, details:
            case "value", [value]:
                return value
            case "method", [None]:
                return None
            case "missing", [str(missing)]:
                return _Raised(NameError(f"name {missing!r} is not defined"), f"{name} is missing")
            case "unreadable", [str(error), str(text)]:
                raise CallFailed(f"what it returned cannot be read ({error}: {text})")
            case "raised", [list(bases), str(type_name), str(text), tuple(line)]:
                said = f"{name} raised {type_name}" + (f": {text}" if text else "")
                if line:
                    said += f" (your line {int(line[0])}: `{line[1]!s}`)"
                builtin = [_EXCEPTIONS[base] for base in bases if base in _EXCEPTIONS]
                if not builtin:  # SystemExit and the like
                    raise CallFailed(said.removeprefix(f"{name} "))
                return _Raised(builtin[0](text), said)
        raise codec.CodecError(f"an answer of unknown kind {kind!r}")

    def _instance(self, handle: codec.Handle, cls: StandInClass | None) -> StandIn:
        known = self._instances.get(handle.number)
        if known is not None:
            return known
        cls = cls if handle.class_name == "" else self.classes.get(handle.class_name)
        if cls is None:
            raise codec.CodecError("an instance of an unknown class")
        instance: StandIn = object.__new__(cls)  # type: ignore[arg-type]
        object.__setattr__(instance, "_number", handle.number)
        self._instances[handle.number] = instance
        return instance


class StandInClass(type):
    """A class the student had to define, seen from a graded cell."""

    _calls: Calls

    def __call__(cls, *args: object, **kwargs: object) -> Any:
        return cls._calls.call(cls.__name__, "", args, kwargs, cls)

    def __getattr__(cls, name: str) -> Any:
        _refuse_special(name)
        return cls._calls.attribute(cls.__name__, name)


class StandIn(metaclass=StandInClass):
    """An instance of such a class. It stays with the student's process; this is its number."""

    _number: int

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return type(self)._calls.call(self, "__call__", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        _refuse_special(name)
        return type(self)._calls.attribute(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        type(self)._calls.attribute(self, name, value)


def _refuse_special(name: str) -> None:
    """Python and NumPy look for special methods by themselves; the class has what it has."""
    if name.startswith("__") or name in {"_calls", "_number"}:
        raise AttributeError(name)


def _handle(value: object) -> codec.Handle | None:
    if isinstance(value, StandIn):
        return codec.Handle(type(value).__name__, value._number)
    return None


def function(name: str, calls: Calls) -> Callable[..., Any]:
    """A stand-in for the function of that name."""

    def stand_in(*args: object, **kwargs: object) -> Any:
        return calls.call(name, "", args, kwargs)

    stand_in.__name__ = stand_in.__qualname__ = name
    return stand_in


def class_(class_name: str, methods: Iterable[str], calls: Calls) -> StandInClass:
    """A stand-in for the class of that name, with the methods that the master's class has."""
    members: dict[str, Any] = {name: _method(name) for name in methods if name != "__init__"}
    cls = StandInClass(class_name, (StandIn,), {"_calls": calls, **members})
    calls.classes[class_name] = cls
    return cls


def _method(name: str) -> Callable[..., Any]:
    def stand_in(self: StandIn, *args: object, **kwargs: object) -> Any:
        return type(self)._calls.call(self, name, args, kwargs)

    stand_in.__name__ = stand_in.__qualname__ = name
    return stand_in
