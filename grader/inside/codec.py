"""How values cross the wall: explicit, bounded, versioned bytes; never pickle, never code.

The examiner sends arguments over, the submission's process sends results back. A message is a
version byte and the length of its outline; the outline, which is JSON; and raw bytes. In the
outline, numbers, text, true, false and null stand for themselves, and so does a dict whose keys are
texts. Everything else is a list that begins with a tag: `["D", key, value, ...]` is any other dict,
`["a", dtype, writeable, *shape]` an array whose numbers are the next of the raw bytes: they stand
in the order in which values are read. `["Y", inputs, outputs, biased]` is a layer whose numbers are
the next raw bytes likewise; `["V", inputs, outputs, weights, bias]` is one that these sizes do not
describe, with its arrays.

What may be changed in place (lists, dicts, sets, arrays, tensors, layers, models) is a *node*: the
message that sends it first numbers it, and from then on both sides mean the same object by that
number. So a reply can say "this is the layer you gave me" and list the new contents of what was
changed. A reply does not number its own objects: all it contains is a tree, which keeps its size
honest.

Known types only: None, bool, int, float, complex, range, str, bytes, list, tuple, set, frozenset,
dict, arrays and scalars of NumPy's numeric types, tinytorch's `Tensor`, `Dense`, activations and
`Sequential`, and instances of the classes a student had to define, which stay where they are and
cross as a number. A subclass crosses as its base type. Anything else arrives as an `Opaque` value.

This file is bound into the sandbox and imported on both sides.
"""

from __future__ import annotations

import json
import math
import operator
import struct
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, cast

import numpy as np

from tinytorch.core.activations import ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.layers import Dense
from tinytorch.core.networks import Sequential
from tinytorch.core.tensor import Tensor

VERSION = 5
MAX_BYTES = 64 * 2**20  # of the raw bytes
MAX_OUTLINE = 4 * 2**20  # of the JSON
MAX_ITEMS = 200_000  # values in one message
MAX_KEYS = 5000  # in all dicts and sets of one message: more, all of one hash, take for ever
MAX_DEPTH = 60
MAX_INT = 2**1000
_LEAST = -MAX_INT
MAX_SIDE = 2**31  # of a range
MAX_HANDLE = 2**31  # beyond, all of them can have one hash
_KEY_BYTES = 64  # of a text in a key that count as one key more

_START = struct.Struct("<BI")
MAX_MESSAGE = _START.size + MAX_OUTLINE + MAX_BYTES
_JSON_ENCODER = json.JSONEncoder(check_circular=False, separators=(",", ":"))
_JSON_DECODER = json.JSONDecoder()
_DTYPES = [np.dtype(np.bool_), *map(np.dtype, ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"))]
_DTYPES += map(np.dtype, ("f2", "f4", "f8", "c8", "c16"))
_LONG: dict[Any, np.dtype[Any]] = {
    np.dtype(np.longdouble): np.dtype("f8"),
    np.dtype(np.clongdouble): np.dtype("c16"),
}
_DTYPE_CODES = {dtype: code for code, dtype in enumerate(_DTYPES)}
_SCALARS = frozenset(dtype.type for dtype in (*_DTYPES, *_LONG))
_bytes_of = np.ndarray.tobytes  # of the array itself, whatever its class makes of that
_size_of: Callable[[Any], int] = np.ndarray.nbytes.__get__  # likewise
_ACTIVATIONS: tuple[type, ...] = (ReLU, Sigmoid, Tanh, Softmax)
_ACTIVATION_CODES = {cls: code for code, cls in enumerate(_ACTIVATIONS)}


class CodecError(Exception):
    """Bytes that are no message of this version within the bounds."""


class TooLargeError(CodecError):
    """A value that needs more bytes, items or depth than a message may have."""


class UnreadableError(CodecError):
    """An argument was left in a state that has no encoding, or that its object refuses."""


class OpaqueValueError(Exception):
    """A check used a value that cannot cross the wall."""


class Handle(NamedTuple):
    """An instance of a class the student defined: it stays in the submission's process."""

    class_name: str
    number: int


class Opaque:
    """Stands for a value that has no encoding. It can be passed on, printed and compared by
    identity; any other use raises `OpaqueValueError`, so that only the check that uses it fails."""

    def __init__(self, kind: str) -> None:
        object.__setattr__(self, "_kind", kind)

    def __repr__(self) -> str:
        return f"<a value of type {object.__getattribute__(self, '_kind')}>"

    def __reduce__(self) -> tuple[type[Opaque], tuple[str]]:
        return Opaque, (object.__getattribute__(self, "_kind"),)

    __hash__ = object.__hash__

    def _refuse(self, *_: object, **__: object) -> Any:
        raise OpaqueValueError(
            f"your code returned {self!r}; only numbers, text, lists, dicts, arrays and "
            "tinytorch layers can be checked"
        )

    __getattr__ = __setattr__ = __call__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __len__ = __iter__ = __getitem__ = __contains__ = __bool__ = _refuse
    __int__ = __float__ = __complex__ = __index__ = __array__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __pow__ = __matmul__ = __neg__ = __abs__ = __round__ = _refuse


Case = tuple[Sequence[Any], Mapping[str, Any]]
"""The arguments of one call: by position, by name."""


class Encoder:
    """Writes one message.

    given: the nodes both sides know already, by number; they are written as their number.
    number: whether nodes that are new get numbers too (a request) or not (a reply).
    reference: gives the `Handle` of an instance that stays behind, or None.
    """

    def __init__(
        self,
        given: Sequence[object] = (),
        number: bool = True,
        reference: Callable[[object], Handle | None] | None = None,
    ) -> None:
        self.nodes: list[object] = list(given)
        self._numbers = {id(node): i for i, node in enumerate(self.nodes)}
        self._number = number
        self._reference = reference
        self._raw: list[bytes] = []
        self._size = 0
        self._depth = 0
        self._items = 0
        self._keys = 0

    def message(self, *outlines: object) -> bytes:
        """The message of these values, by their outlines. Raises TooLargeError."""
        outline = _JSON_ENCODER.encode(outlines)
        if len(outline) > MAX_OUTLINE:
            raise TooLargeError("the value is too large to be checked")
        return b"".join((_START.pack(VERSION, len(outline)), outline.encode(), *self._raw))

    def outline(self, value: object) -> Any:
        """A value as JSON can write it; its raw bytes are kept aside. Raises TooLargeError."""
        kind = type(value)
        if kind in _PLAIN or (kind is int and _LEAST < cast(int, value) < MAX_INT):
            return value
        number = self._numbers.get(id(value))
        if number is not None:
            return ["r", number]
        write = _WRITERS.get(kind)
        if write is None:
            return self._foreign(value)
        if kind not in _NODE_TYPES:
            return write(self, value)
        return self._compound(write, value, self._number)

    def cases(self, cases: Iterable[Case]) -> Any:
        """The arguments of calls, for `Decoder.cases` to read."""
        outline = self.outline
        self._enter()  # as the reader does
        written = [
            [[outline(value) for value in args], {k: outline(v) for k, v in kwargs.items()}]
            for args, kwargs in cases
        ]
        self._depth -= 1
        return written

    def contents(self, node: object) -> Any:
        """The outline of what a node holds, even if the other side knows it by number."""
        write = _WRITERS.get(type(node)) or _writer(type(node))
        return self._compound(write, node)

    def _compound(
        self, write: Callable[[Encoder, Any], Any], node: object, number: bool = False
    ) -> Any:
        """What a writer makes of a value; number: it becomes a node, before those it contains."""
        raw, nodes, depth = len(self._raw), len(self.nodes), self._depth
        if number:
            self._numbers[id(node)] = nodes
            self.nodes.append(node)
        try:
            return write(self, node)
        except (AttributeError, TypeError, ValueError, KeyError):  # a layer taken to pieces
            self._take_back(raw, nodes, depth)  # the other side counts no node for it
            return _opaque(node)

    def _take_back(self, raw: int, nodes: int, depth: int) -> None:
        """Forget what was written since there were so many raw pieces and nodes."""
        self._size -= sum(map(len, self._raw[raw:]))
        del self._raw[raw:]
        for node in self.nodes[nodes:]:
            del self._numbers[id(node)]
        del self.nodes[nodes:]
        self._depth = depth

    def _foreign(self, value: object) -> Any:
        handle = self._reference(value) if self._reference else None
        if handle is not None:
            return ["h", *handle]
        base = next((base for base in type.mro(type(value)) if base in _BASES), object)
        if base is object:
            return _opaque(value)
        if base in _PLAIN:
            return _BASES[base](value)
        number = self._numbers.get(id(value))
        if number is not None:
            return ["r", number]
        return self._compound(_WRITERS[base], value, self._number and base in _NODE_TYPES)

    # --- one writer for each type ------------------------------------------------------------

    def _int(self, value: int) -> Any:
        return value if _LEAST < value < MAX_INT else _opaque(value)

    def _range(self, value: range) -> Any:
        bounds = value.start, value.stop, value.step
        short = all(-MAX_SIDE < bound < MAX_SIDE for bound in bounds) and len(value) <= MAX_ITEMS
        return ["R", *bounds] if short else _opaque(value)

    def _complex(self, value: complex) -> Any:
        return ["j", value.real, value.imag]

    def _bytes(self, value: bytes) -> Any:
        data = bytes(value)
        self._make_room(len(data))
        self._raw.append(data)
        return ["b", len(data)]

    def _list(self, value: list[object]) -> Any:
        return self._sequence("l", list.__iter__(value))

    def _tuple(self, value: tuple[object, ...]) -> Any:
        return self._sequence("t", tuple.__iter__(value))

    def _set(self, value: set[object]) -> Any:
        return self._sequence("S", self._keyed(set.__iter__(value)))

    def _frozenset(self, value: frozenset[object]) -> Any:
        return self._sequence("Z", self._keyed(frozenset.__iter__(value)))

    def _dict(self, value: dict[Any, Any]) -> Any:
        keys = self._keyed(dict.__iter__(value))
        if not _TEXTS.issuperset(map(type, keys)):
            return self._sequence("D", chain.from_iterable(dict.items(value)), self._entry)
        self._enter()
        outline = {  # as `outline` does, without a call for each item
            key: item
            if (kind := type(item)) in _PLAIN or (kind is int and _LEAST < item < MAX_INT)
            else self._entry(item)
            for key, item in dict.items(value)
        }
        self._leave(len(outline))
        return outline

    def _keyed(self, keys: Iterable[object]) -> list[object]:
        """The keys, of which a message has no more than its reader takes."""
        counted = list(keys)
        self._keys += _weights(counted)
        if self._keys > MAX_KEYS:
            raise TooLargeError("the value has too many keys to be checked")
        return counted

    def _entry(self, value: object) -> Any:
        """A dict's entry: one that is too large for a message costs only who looks at it."""
        if type(value) in _SCALARS:
            return _WRITERS[type(value)](self, value)
        state, counts = (len(self._raw), len(self.nodes), self._depth), (self._items, self._keys)
        try:
            return self.outline(value)
        except TooLargeError:
            self._take_back(*state)
            self._items, self._keys = counts
            return _opaque(value)

    def _sequence(
        self, tag: str, items: Iterable[Any], write: Callable[[object], Any] | None = None
    ) -> Any:
        write = write or self.outline
        self._enter()
        outline: list[Any] = [tag]
        outline += [  # as `outline` does, without a call for each item
            item
            if (kind := type(item)) in _PLAIN or (kind is int and _LEAST < item < MAX_INT)
            else write(item)
            for item in items
        ]
        self._leave(len(outline))
        return outline

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooLargeError("the value is nested too deeply to be checked")

    def _leave(self, items: int) -> None:
        self._depth -= 1
        self._items += items
        if self._items > MAX_ITEMS:
            raise TooLargeError("the value is too large to be checked")

    def _array(self, value: np.ndarray[Any, Any]) -> Any:
        code = _DTYPE_CODES.get(value.dtype)
        if code is None:  # another byte order, the same values; of other kinds there are no codes
            code = _DTYPE_CODES[_LONG.get(value.dtype) or value.dtype.newbyteorder("=")]
            value = value.astype(_DTYPES[code])
        self._set_aside(value)
        return ["a", code, value.flags.writeable, *value.shape]

    def _real_array(self, value: np.ndarray[Any, Any]) -> Any:
        if value.dtype.kind == "c":
            raise TypeError("a tensor of complex numbers")
        return self._array(value)

    def _set_aside(self, array: np.ndarray[Any, Any]) -> None:
        self._make_room(_size_of(array))  # before it is copied
        self._raw.append(_bytes_of(array))

    def _make_room(self, size: int) -> None:
        """Count raw bytes that are kept for the end of the message."""
        size += self._size
        if size > MAX_BYTES:
            raise TooLargeError("the value is too large to be checked")
        self._size = size

    def _long_scalar(self, value: np.generic) -> Any:
        return self._scalar(_LONG[value.dtype].type(value))

    def _scalar(self, value: np.generic) -> Any:
        number, code = value.item(), _DTYPE_CODES[value.dtype]
        parts = [number.real, number.imag] if type(number) is complex else [number]
        return ["n", code, *parts]

    def _tensor(self, value: Tensor) -> Any:
        data, grad = self._real_array(value.data), value.grad
        return ["X", value.requires_grad, data, None if grad is None else self._real_array(grad)]

    def _dense(self, value: Dense) -> Any:
        inputs, outputs = operator.index(value.input_size), operator.index(value.output_size)
        weights, bias = value.weights.data, value.bias
        if not (
            _ordinary(weights, (inputs, outputs))
            and (bias is None or _ordinary(bias.data, (outputs,)))
        ):
            parts = (
                self._real_array(weights),
                None if bias is None else self._real_array(bias.data),
            )
            return ["V", inputs, outputs, *parts]
        self._set_aside(weights)
        if bias is not None:
            self._set_aside(bias.data)
        return ["Y", inputs, outputs, bias is not None]

    def _activation(self, value: object) -> Any:
        bases = type.mro(type(value))
        return ["A", next(_ACTIVATION_CODES[base] for base in bases if base in _ACTIVATION_CODES)]

    def _sequential(self, value: Sequential) -> Any:
        return self._sequence("Q", value.layers)


_TEXTS = frozenset({str})
_PLAIN = frozenset({type(None), bool, float, str})
_AS_IT_IS = _PLAIN | {int}  # JSON's own integers have at most 4300 digits
_NUMBERS = frozenset({bool, int, float})
_FLOAT32 = np.dtype(np.float32)
_WRITERS: dict[type, Callable[[Encoder, Any], Any]] = {
    int: Encoder._int,
    range: Encoder._range,
    complex: Encoder._complex,
    bytes: Encoder._bytes,
    list: Encoder._list,
    tuple: Encoder._tuple,
    set: Encoder._set,
    frozenset: Encoder._frozenset,
    dict: Encoder._dict,
    np.ndarray: Encoder._array,
    Tensor: Encoder._tensor,
    Dense: Encoder._dense,
    Sequential: Encoder._sequential,
    **dict.fromkeys(_ACTIVATIONS, Encoder._activation),
    **{dtype.type: Encoder._scalar for dtype in _DTYPES},
    **{dtype.type: Encoder._long_scalar for dtype in _LONG},
}
_NODE_TYPES = frozenset({list, set, dict, np.ndarray, Tensor, Dense, Sequential, *_ACTIVATIONS})
_BASES: dict[type, Callable[[Any], Any]] = {
    **dict.fromkeys(_WRITERS, lambda value: value),
    float: float.__float__,
    str: str.__str__,
}


def _writer(kind: type) -> Callable[[Encoder, Any], Any]:
    return next(_WRITERS[base] for base in type.mro(kind) if base in _WRITERS)


def _ordinary(array: np.ndarray[Any, Any], shape: tuple[int, ...]) -> bool:
    """Whether an array is of a layer as it is made: then its sizes say it all."""
    plain = array.dtype is _FLOAT32 and array.shape == shape
    return plain and array.flags.writeable and array.size > 0


def _opaque(value: object) -> Any:
    return ["O", type(value).__name__[:100]]


class Decoder:
    """Reads one message, trusting nothing in it.

    given, number: as for `Encoder`; the two ends of a message agree on them.
    reference: gives the object that stands for a `Handle`.
    All methods raise CodecError for bytes that are not what they read.
    """

    def __init__(
        self,
        message: bytes,
        given: Sequence[object] = (),
        number: bool = True,
        reference: Callable[[Handle], object] | None = None,
    ) -> None:
        self.nodes: list[object] = list(given)
        self._number = number
        self._reference = reference
        self._depth = 0
        self._items = 0
        if not _START.size <= len(message) <= MAX_MESSAGE:
            raise CodecError("not a message of a possible size")
        version, length = _START.unpack_from(message)
        if version != VERSION or length > MAX_OUTLINE:
            raise CodecError("not a message of this version")
        self._data = message
        self._next: int = _START.size + length  # of the raw bytes
        self._keys = 0
        try:
            text = message[_START.size : self._next].decode("ascii")
            values, end = _JSON_DECODER.raw_decode(text)
        except (ValueError, RecursionError) as error:
            raise CodecError("the outline is not JSON") from error
        if type(values) is not list or end != len(text):
            raise CodecError("the outline is not one list")
        self._values: list[Any] = values[::-1]

    def plain(self) -> Any:
        """The next value of the message as it stands there: JSON, to be looked at with care."""
        if not self._values:
            raise CodecError("the message has no more values")
        return self._values.pop()

    def value(self) -> Any:
        """The next value of the message."""
        return self.read(self.plain())

    def cases(self) -> list[Case]:
        """The next value, written by `Encoder.cases`."""
        try:
            return [
                (
                    self._many(args),
                    dict(zip(kwargs, self._many(kwargs.values()), strict=True)) if kwargs else {},
                )
                for args, kwargs in self.plain()
            ]
        except (TypeError, ValueError, AttributeError) as error:
            raise CodecError("no arguments of calls") from error

    def update(self, node: object) -> None:
        """Read the contents of a node and give them to `node`, in place where the shape allows.

        Raises UnreadableError where the object does not take them.
        """
        new, kind = self.value(), type(node).__name__
        if isinstance(new, Opaque):
            raise UnreadableError(f"it left its argument (a {kind}) in a state nobody can read")
        if not isinstance(node, type(new)):
            raise CodecError(f"contents of a {type(new).__name__} for a {kind}")
        try:
            _TRANSFERS.get(type(new), _nothing)(node, new)
        except (ValueError, TypeError) as error:
            raise UnreadableError(
                f"it left its argument (a {kind}) in a bad state: {error}"
            ) from error

    def end(self) -> None:
        if self._values:
            raise CodecError("values after the end of the message")

    def read(self, outline: Any) -> Any:
        """The value of an outline: itself where it is plain, else what its tag says.

        Outlines are read in the order in which they were written.
        """
        kind = type(outline)
        if kind in _AS_IT_IS:
            return outline
        if kind is dict:
            return self._object(outline)
        try:
            return _READERS[outline[0]](self, *outline[1:])
        except (KeyError, IndexError, TypeError, OverflowError) as error:
            raise CodecError("an unknown tag, or parts that do not fit it") from error

    def _node(self, node: Any) -> Any:
        if self._number:
            self.nodes.append(node)
        return node

    # --- one reader for each tag -------------------------------------------------------------

    def _ref(self, number: int) -> object:
        if type(number) is not int or not 0 <= number < len(self.nodes):
            raise CodecError("a number that was never given")
        return self.nodes[number]

    def _handle(self, name: str, number: int) -> object:
        plain = type(name) is str and type(number) is int
        if self._reference is None or not plain or not 0 <= number < MAX_HANDLE:
            raise CodecError("a handle where none can be")
        return self._reference(Handle(name, number))

    def _opaque(self, kind: str) -> Opaque:
        if type(kind) is not str:
            raise CodecError("a type without a name")
        return Opaque(kind[:100])

    def _range(self, start: int, stop: int, step: int) -> range:
        if not step or not all(-MAX_SIDE < bound < MAX_SIDE for bound in (start, stop, step)):
            raise CodecError("a range that cannot be one")
        items = range(start, stop, step)
        if len(items) > MAX_ITEMS:
            raise CodecError("a range beyond the bounds")
        return items

    def _complex(self, real: float, imaginary: float) -> complex:
        return complex(real, imaginary)

    def _bytes(self, size: int) -> bytes:
        return self._data[self._span(size) : self._next]

    def _span(self, size: int) -> int:
        """Where the next so many raw bytes begin in the message."""
        if type(size) is not int or size < 0:
            raise CodecError("a size that cannot be one")
        begin, self._next = self._next, self._next + size
        if self._next > len(self._data):
            raise CodecError("the message is cut short")
        return begin

    def _enter(self, items: int) -> None:
        self._items += items
        self._depth += 1
        if self._items > MAX_ITEMS or self._depth > MAX_DEPTH:
            raise CodecError("too many values, or nested too deeply")

    def _many(self, parts: Collection[Any]) -> list[Any]:
        self._enter(len(parts))
        values = [part if type(part) in _AS_IT_IS else self.read(part) for part in parts]
        self._depth -= 1
        return values

    def _list(self, *parts: Any) -> list[Any]:
        items: list[Any] = self._node([])
        items.extend(self._many(parts))
        return items

    def _tuple(self, *parts: Any) -> tuple[Any, ...]:
        return tuple(self._many(parts))

    def _keyed(self, keys: list[Any]) -> list[Any]:
        self._keys += _weights(keys)
        if self._keys > MAX_KEYS:
            raise CodecError("too many keys in one message")
        return keys

    def _set(self, *parts: Any) -> set[Any]:
        items: set[Any] = self._node(set())
        items.update(self._keyed(self._many(parts)))
        return items

    def _frozenset(self, *parts: Any) -> frozenset[Any]:
        return frozenset(self._keyed(self._many(parts)))

    def _object(self, outline: dict[str, Any]) -> dict[str, Any]:
        items: dict[str, Any] = self._node({})
        self._keyed([*outline])
        self._enter(len(outline))
        for key, part in outline.items():
            items[key] = part if type(part) in _AS_IT_IS else self.read(part)
        self._depth -= 1
        return items

    def _dict(self, *parts: Any) -> dict[Any, Any]:
        items: dict[Any, Any] = self._node({})
        values = self._many(parts)
        if len(values) % 2:
            raise CodecError("a key without a value")
        items.update(zip(self._keyed(values[::2]), values[1::2], strict=True))
        return items

    def _array(self, code: int, writeable: bool, *shape: int) -> np.ndarray[Any, Any]:
        dtype = _dtype(code)
        try:
            view = np.ndarray(shape, dtype if code else np.uint8, self._data, self._next)
        except (ValueError, MemoryError) as error:
            raise CodecError("an array with an impossible shape") from error
        if not view.size and math.prod(filter(None, shape)) > MAX_ITEMS:  # so many rows of nothing
            raise CodecError("an array with an impossible shape")
        self._next += view.nbytes
        array = view.copy() if code else np.asarray(view != 0)  # a bool is one byte, 0 or not
        if not writeable:
            array.flags.writeable = False
        return array

    def _array_node(self, *parts: Any) -> Any:
        return self._node(self._array(*parts))

    def _scalar(self, code: int, real: Any, *imaginary: float) -> Any:
        dtype = _dtype(code)
        if type(real) not in _NUMBERS:
            raise CodecError("a number that is none")
        try:
            return dtype.type(complex(real, *imaginary) if imaginary else real)
        except (OverflowError, ValueError) as error:
            raise CodecError("a number out of its type's range") from error

    def _inner_array(self, outline: Any) -> np.ndarray[Any, Any]:
        if type(outline) is not list or outline[0] != "a":
            raise CodecError("a tensor without an array")
        array = self._array(*outline[1:])
        if array.dtype is _FLOAT32:
            return array
        if array.dtype.kind == "c":
            raise CodecError("a tensor of complex numbers")
        return array.astype(_FLOAT32)

    def _tensor(self, requires_grad: bool, data: Any, grad: Any) -> Tensor:
        tensor = _tensor(self._inner_array(data), bool(requires_grad))
        tensor.grad = None if grad is None else self._inner_array(grad)
        self._node(tensor)
        return tensor

    def _floats(self, *shape: int) -> np.ndarray[Any, Any]:
        try:
            view = np.ndarray(shape, _FLOAT32, self._data, self._next)
        except (ValueError, MemoryError) as error:
            raise CodecError("a layer of an impossible size") from error
        if not view.size:
            raise CodecError("a layer without weights")
        self._next += view.nbytes
        return view.copy()

    def _dense(self, inputs: int, outputs: int, biased: Any) -> Dense:
        weights = self._floats(inputs, outputs)
        return self._layer(inputs, outputs, weights, self._floats(outputs) if biased else None)

    def _odd_dense(self, inputs: int, outputs: int, weights: Any, bias: Any) -> Any:
        weights = self._inner_array(weights)
        bias = None if bias is None else self._inner_array(bias)
        if weights.ndim != 2 or 0 in weights.shape:
            return self._node(Opaque(f"Dense, with weights of shape {weights.shape}"))
        if bias is not None and bias.shape != weights.shape[1:]:
            shapes = f"weights of shape {weights.shape} and bias {bias.shape}"
            return self._node(Opaque(f"Dense, with {shapes}"))
        return self._layer(operator.index(inputs), operator.index(outputs), weights, bias)

    def _layer(
        self,
        inputs: int,
        outputs: int,
        weights: np.ndarray[Any, Any],
        bias: np.ndarray[Any, Any] | None,
    ) -> Dense:
        layer = Dense.__new__(Dense)  # its __init__ would draw weights, in vain
        layer.input_size, layer.output_size = inputs, outputs
        layer._weights = _tensor(weights, True)
        layer._bias = None if bias is None else _tensor(bias, True)
        self._node(layer)
        return layer

    def _activation(self, kind: int) -> object:
        if type(kind) is not int or not 0 <= kind < len(_ACTIVATIONS):
            raise CodecError("an unknown activation")
        return self._node(_ACTIVATIONS[kind]())

    def _sequential(self, *parts: Any) -> Sequential:
        model: Sequential = self._node(Sequential([]))
        model.layers.extend(self._many(parts))
        return model


def _dtype(code: int) -> np.dtype[Any]:
    if type(code) is not int or not 0 <= code < len(_DTYPES):
        raise CodecError("numbers of an unknown kind")
    return _DTYPES[code]


def _weights(keys: Collection[Any]) -> int:
    """How much keys count: keys of one hash are compared with each other, to their ends."""
    weight = len(keys)
    for key in keys:
        kind = type(key)
        if kind is str or kind is bytes:
            weight += len(key) // _KEY_BYTES
        elif kind is tuple or kind is frozenset:
            weight += _weights(key)
    return weight


def _tensor(array: np.ndarray[Any, Any], requires_grad: bool) -> Tensor:
    tensor = Tensor.__new__(Tensor)  # its __init__ would copy the array
    tensor._data, tensor._inputs, tensor.grad = array, (), None
    tensor.requires_grad = requires_grad
    return tensor


_READERS: dict[str, Callable[..., Any]] = {
    "R": Decoder._range,
    "j": Decoder._complex,
    "b": Decoder._bytes,
    "l": Decoder._list,
    "t": Decoder._tuple,
    "S": Decoder._set,
    "Z": Decoder._frozenset,
    "D": Decoder._dict,
    "a": Decoder._array_node,
    "n": Decoder._scalar,
    "X": Decoder._tensor,
    "Y": Decoder._dense,
    "V": Decoder._odd_dense,
    "A": Decoder._activation,
    "Q": Decoder._sequential,
    "h": Decoder._handle,
    "r": Decoder._ref,
    "O": Decoder._opaque,
}


# --- what was changed in place: finding it, and giving a node new contents ------------------------


Held = tuple[list[Any] | None, list[object]]
"""What a node held at some time. First its arrays as dtype, shape, writeable, bytes in turn, None
where it could not be read; then the objects in it, kept so that no new one gets their ids."""


def held(nodes: Iterable[object]) -> list[Held]:
    """What nodes hold now, for `changed` to compare with later."""
    return [_held(node) for node in nodes]


def changed(nodes: Iterable[object], then: Iterable[Held]) -> list[int]:
    """Numbers of the nodes that do not hold what they held.

    Objects are compared by identity, in which True is not 1 and NaN is NaN.
    """
    numbers = []
    for number, (node, (arrays, objects)) in enumerate(zip(nodes, then, strict=True)):
        arrays_now, objects_now = _held(node)
        same = arrays_now is not None and arrays_now == arrays and len(objects_now) == len(objects)
        if not (same and all(map(operator.is_, objects_now, objects))):
            numbers.append(number)
    return numbers


def _held(node: object) -> Held:
    kind = type(node)
    objects: list[object] = [kind]
    arrays: list[Any] = []
    try:
        _HOLDERS[kind](node, objects, arrays)
    except Exception:  # noqa: BLE001 - taken to pieces, or of a class that was patched
        return None, objects
    return arrays, objects


def _in_list(node: list[object], objects: list[object], _: list[Any]) -> None:
    objects += node


def _in_dict(node: dict[object, object], objects: list[object], _: list[Any]) -> None:
    objects += [*node, *node.values()]


def _in_array(node: np.ndarray[Any, Any], _: list[object], arrays: list[Any]) -> None:
    arrays += (node.dtype, node.shape, node.flags.writeable, _bytes_of(node))


def _in_tensor(node: Tensor, objects: list[object], arrays: list[Any]) -> None:
    objects.append(node.requires_grad)
    _in_array(node.data, objects, arrays)
    if node.grad is not None:
        _in_array(node.grad, objects, arrays)


def _in_dense(node: Dense, objects: list[object], arrays: list[Any]) -> None:
    objects += (node.input_size, node.output_size)
    bias = node._bias  # past the properties: no other type is looked at as often
    _in_array(node._weights._data, objects, arrays)
    if bias is not None:
        _in_array(bias._data, objects, arrays)


def _in_sequential(node: Sequential, objects: list[object], _: list[Any]) -> None:
    objects += node.layers


_HOLDERS: dict[type, Callable[[Any, list[object], list[Any]], None]] = {
    list: _in_list,
    set: _in_list,
    dict: _in_dict,
    np.ndarray: _in_array,
    Tensor: _in_tensor,
    Dense: _in_dense,
    Sequential: _in_sequential,
    **dict.fromkeys(_ACTIVATIONS, lambda *_: None),
}


def _nothing(node: object, new: object) -> None:
    """An activation holds nothing that could change."""


def _transfer_list(node: list[Any], new: list[Any]) -> None:
    node[:] = new


def _transfer_items(node: Any, new: Any) -> None:
    node.clear()
    node.update(new)


def _transfer_array(node: np.ndarray[Any, Any], new: np.ndarray[Any, Any]) -> None:
    crossing = _LONG.get(node.dtype) or node.dtype.newbyteorder("=")
    if node.shape != new.shape or crossing != new.dtype:
        raise ValueError(f"shape {node.shape} of {node.dtype} became {new.shape} of {new.dtype}")
    node[...] = new


def _transfer_tensor(node: Tensor, new: Tensor) -> None:
    node.requires_grad, node.grad = new.requires_grad, new.grad
    _transfer_data(node, new)


def _transfer_data(node: Tensor, new: Tensor) -> None:
    if node.shape == new.shape:
        node.data[...] = new.data
    else:
        node.data = new.data


def _transfer_dense(node: Dense, new: Dense) -> None:
    _transfer_data(node.weights, new.weights)
    if node.bias is None:
        node._bias = new._bias  # the setter makes one of the node's size, whatever that is
    else:
        node.bias = new.bias
    node.input_size, node.output_size = new.input_size, new.output_size


def _transfer_sequential(node: Sequential, new: Sequential) -> None:
    node.layers[:] = new.layers


_TRANSFERS: dict[type, Callable[[Any, Any], None]] = {
    list: _transfer_list,
    set: _transfer_items,
    dict: _transfer_items,
    np.ndarray: _transfer_array,
    Tensor: _transfer_tensor,
    Dense: _transfer_dense,
    Sequential: _transfer_sequential,
}
