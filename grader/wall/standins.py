"""Stand-ins: what a graded cell calls where the student's own functions and classes would be.

A call takes its arguments across the wall and brings back the result; what the student's code
changed in place is changed in place here, also when it raised. Test cells need not know.
"""

from __future__ import annotations

import builtins
import gc
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

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
    and not issubclass(cls, StopIteration | StopAsyncIteration)  # would end a check's loop quietly
}


class _Raised(NamedTuple):
    """An exception of the student's code, and the sentence about it."""

    error: Exception
    said: str


class Failure(NamedTuple):
    """Why a call came to nothing. Text alone: an exception's frames would hold what came back."""

    message: str
    timed_out: bool


class Calls:
    """The calls that graded cells make, and what is to be told about them afterwards."""

    def __init__(self, channel: Channel, seconds: float) -> None:
        """seconds: the time that one graded cell's calls may take together."""
        self._channel = channel
        self._seconds = seconds
        self._given_up: dict[str, int] = {}
        self._instances: dict[int, StandIn] = {}
        self.failure: Failure | None = None
        self.raised: list[_Raised] = []
        self.classes: dict[str, StandInClass] = {}
        self.begin()

    def begin(self) -> None:
        """Before each graded cell."""
        for raised in self.raised:  # whose frames may hold the error itself, and all that came back
            raised.error.__traceback__ = None
        failed, self.failure = self.failure is not None, None
        self.raised = []
        self.printed = ""
        self._instances.clear()
        if failed:
            gc.collect()  # a failed call's exception is not known here; its frames may hold as much
        self._begun = time.monotonic()

    def call(
        self,
        owners: Sequence[str | StandIn],
        method: str,
        cases: Sequence[codec.Case],
        cls: StandInClass | None = None,
    ) -> list[Any]:
        """Call a function, a method, or (with `cls`) a class, once for each case.

        owners: for each case the name of the function or class, or the instance of one class.
        An outcome for each: the result, or the exception that the student's code raised, as the
        nearest builtin one. Raises CallFailed, and NameError where there is no such name.
        """
        return self._try("call", owners, method, cases, cls)

    def attribute(self, owner: str | StandIn, name: str, *new: object) -> Any:
        """Read an attribute, or set it to `new`; a method comes back as a function."""
        return _the_one(self._try("attribute", [owner], name, [(new, {})], None))

    def _try(
        self,
        what: str,
        owners: Sequence[str | StandIn],
        part: str,
        cases: Sequence[codec.Case],
        cls: StandInClass | None,
    ) -> list[Any]:
        """Ask, unless what would run has failed to return before, too often."""
        name = _name(owners[0], part)
        if self._given_up.get(name, 0) >= _TRIES:
            again = f"{name} was not called again after it failed to return twice"
            raise self._failed(CallFailed(again))
        begun = time.monotonic()
        try:
            return self._ask(what, owners, part, cases, cls)
        except (TimedOut, ProcessEnded) as failure:
            # who was called when the others had used up the time is not to blame
            if isinstance(failure, ProcessEnded) or time.monotonic() - begun > self._seconds / 2:
                self._given_up[name] = self._given_up.get(name, 0) + 1
            raise

    def _failed(self, failure: CallFailed) -> CallFailed:
        self.failure = self.failure or Failure(str(failure), isinstance(failure, TimedOut))
        return failure

    def _ask(
        self,
        what: str,
        owners: Sequence[str | StandIn],
        part: str,
        cases: Sequence[codec.Case],
        cls: StandInClass | None,
    ) -> list[Any]:
        name, encoder = _name(owners[0], part), codec.Encoder(reference=_handle)
        try:
            header = what, encoder.outline(tuple(owners)), part, cls is not None
            message = encoder.message(*header, encoder.cases(cases))
            answer = self._channel.request(message, self._seconds, self._begun)
            decoder = codec.Decoder(answer, encoder.nodes, False, lambda h: self._instance(h, cls))
            printed, changed, told = _text(decoder.plain()), decoder.plain(), decoder.plain()
            outcomes = [
                self._outcome(name, decoder, owner, part, outcome)
                for owner, outcome in zip(owners, told, strict=False)
            ]
            if len(told) != len(cases):
                raise codec.CodecError("an outcome is missing")
            for number in changed:
                decoder.update(encoder.nodes[number])
            decoder.end()
        except CallFailed as failure:
            raise self._failed(type(failure)(f"{name}: {failure}")) from None
        except (codec.TooLargeError, codec.UnreadableError) as error:
            raise self._failed(CallFailed(f"{name}: {error}")) from None
        except (codec.CodecError, ValueError, TypeError, IndexError, OverflowError, RecursionError):
            raise self._failed(CallFailed(f"{name}: its answer could not be read")) from None
        self.printed += printed[: max(0, _PRINTED - len(self.printed))]
        return outcomes

    def _outcome(
        self, name: str, decoder: codec.Decoder, owner: str | StandIn, part: str, told: list[Any]
    ) -> Any:
        """The value of a call, or the exception that it raised."""
        match told:
            case ["value", outline]:
                return decoder.read(outline)
            case ["method"]:
                return Function(self, owner, part)
            case ["missing", str(missing)]:
                error: Exception = NameError(f"name {missing!r} is not defined")
                self.raised.append(_Raised(error, f"{name} is missing"))
                raise error
            case ["unreadable", str(kind), str(text)]:
                said = f"{_short(kind, 100)}: {_short(text)}"
                raise CallFailed(f"what it returned cannot be read ({said})")
            case ["raised", list(bases), str(kind), str(text), list(line)]:
                kind, text = _short(kind, 100), _short(text)
                said = f"{name} raised {kind}" + (f": {text}" if text else "")
                if line:
                    said += f" (your line {int(line[0])}: `{_short(str(line[1]))}`)"
                known = {base: _EXCEPTIONS[base] for base in bases if base in _EXCEPTIONS}
                if not known:  # SystemExit and the like
                    raise CallFailed(said.removeprefix(f"{name} "))
                error = _nearest([*known.values()])(text)
                self.raised.append(_Raised(error, said))
                return error
        raise codec.CodecError("an outcome of an unknown kind")

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


class Function:
    """A function, a method or a class of the student's, to be called from a graded cell."""

    def __init__(
        self, calls: Calls, owner: str | StandIn, method: str = "", cls: StandInClass | None = None
    ) -> None:
        self._calls, self._owner, self._method, self._class = calls, owner, method, cls

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return _the_one(self.each([self], [(args, kwargs)]))

    @staticmethod
    def each(functions: Sequence[Function], cases: Sequence[codec.Case]) -> list[Any]:
        """The outcome of each function for its case, in one request; all are of one `name`."""
        function = functions[0]
        owners = [each._owner for each in functions]
        return function._calls.call(owners, function._method, cases, function._class)

    @property
    def name(self) -> str:
        """What it is called, for messages."""
        return _name(self._owner, self._method)


def _name(owner: str | StandIn, method: str) -> str:
    holder = owner if isinstance(owner, str) else type(owner).__name__
    return f"{holder}.{method}" if method else holder


def _nearest(bases: list[type[Exception]]) -> type[Exception]:
    """The builtin exception that a class with these bases is, or one that is several at once.

    Raises TypeError or IndexError for bases that no class has.
    """
    lowest = [cls for cls in bases if sum(issubclass(other, cls) for other in bases) == 1]
    return lowest[0] if len(lowest) == 1 else type(lowest[0].__name__, tuple(lowest), {})


def _short(text: str, most: int = 200) -> str:
    """What a student is told of a text from behind the wall: of its first line so many characters.

    An honest process has cut it; a forged answer would make a message of it.
    """
    return (text.splitlines() or [""])[0][:most]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise codec.CodecError("something printed that is no text")
    return value


def _the_one(outcomes: list[Any]) -> Any:
    [outcome] = outcomes
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


class StandInClass(type):
    """A class the student had to define, seen from a graded cell."""

    _calls: Calls

    def __call__(cls, *args: object, **kwargs: object) -> Any:
        return _function(cls)(*args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        _refuse_special(name)
        return cls._calls.attribute(cls.__name__, name)


class StandIn(metaclass=StandInClass):
    """An instance of such a class. It stays with the student's process; this is its number."""

    _number: int

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return _function(self)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        _refuse_special(name)
        return type(self)._calls.attribute(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        type(self)._calls.attribute(self, name, value)


def _function(value: Any) -> Any:
    """What is called where a stand-in is; any other value as it is."""
    if isinstance(value, StandInClass):
        return Function(value._calls, value.__name__, cls=value)
    if isinstance(value, StandIn):
        return Function(type(value)._calls, value, "__call__")
    return value


def _refuse_special(name: str) -> None:
    """Python and NumPy look for special methods by themselves; the class has what it has."""
    if name.startswith("__") or name in {"_calls", "_number"}:
        raise AttributeError(name)


def _handle(value: object) -> codec.Handle | None:
    if isinstance(value, StandIn):
        return codec.Handle(type(value).__name__, value._number)
    return None


def class_(class_name: str, methods: Iterable[str], calls: Calls) -> StandInClass:
    """A stand-in for the class of that name, with the methods that the master's class has."""
    members: dict[str, Any] = {name: _method(name) for name in methods if name != "__init__"}
    cls = StandInClass(class_name, (StandIn,), {"_calls": calls, **members})
    calls.classes[class_name] = cls
    return cls


def _method(name: str) -> property:
    return property(lambda self: Function(type(self)._calls, self, name))


def outcomes(plain: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """The given cells' `outcomes(function, cases, **options)`, in one request for all cases.

    plain: the helper as the notebook has it, for functions that are no stand-ins, or not all of
    one name, so that who did not return is known.
    """

    def in_one_request(
        function: Any, cases: Iterable[Sequence[object]], **options: object
    ) -> list[Any]:
        cases = list(cases)
        several = function if isinstance(function, list) else [function] * len(cases)
        functions = list(map(_function, several))
        alike = all(isinstance(each, Function) for each in functions)
        if len(functions) == len(cases) > 0 and alike and len({f.name for f in functions}) == 1:
            return Function.each(functions, [(case, options) for case in cases])
        return plain(function, cases, **options)

    return in_one_request
