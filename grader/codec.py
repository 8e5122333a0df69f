"""How values cross the wall: explicit, bounded, versioned bytes; never pickle, never code.

The examiner sends arguments over, the submission's process sends results back. A message is a
version byte, then values, each a one-byte tag and its content. What may be changed in place (lists,
dicts, sets, arrays, tensors, layers, models) is a *node*: the message that sends it first numbers
it, and from then on both sides mean the same object by that number. So a reply can say "this is the
layer you gave me" and list the new contents of what was changed. A reply does not number its own
objects: all it contains is a tree, which keeps its size honest.

Known types only: None, bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict,
arrays and scalars of NumPy's numeric types, tinytorch's `Tensor`, `Dense`, activations and
`Sequential`, and instances of the classes a student had to define, which stay where they are and
cross as a number. A subclass crosses as its base type. Anything else arrives as an `Opaque` value.

This file is bound into the sandbox and imported on both sides.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.activations import ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.layers import Dense
from tinytorch.core.networks import Sequential
from tinytorch.core.tensor import Tensor

VERSION = 1
MAX_BYTES = 64 * 2**20  # of one message
MAX_ITEMS = 200_000  # values in one message
MAX_DEPTH = 60
MAX_INT_BYTES = 128
MAX_SIDE = 2**31  # of an array

_OPAQUE = ord("O")
_DTYPES = [
    np.dtype(c)
    for c in ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
]
_DTYPE_CODES = {dtype: code for code, dtype in enumerate(_DTYPES)}
_ACTIVATIONS: tuple[type, ...] = (ReLU, Sigmoid, Tanh, Softmax)

_U8, _U32, _F64 = struct.Struct("<B"), struct.Struct("<I"), struct.Struct("<d")
_C128, _ARRAY = struct.Struct("<dd"), struct.Struct("<BBB")


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
        self._out = bytearray(_U8.pack(VERSION))
        self._depth = 0
        self._items = 0

    def message(self) -> bytes:
        return bytes(self._out)

    def value(self, value: object) -> None:
        """Write any value. Raises TooLargeError beyond the bounds."""
        self._items += 1
        if self._items > MAX_ITEMS or len(self._out) > MAX_BYTES:
            raise TooLargeError("the value is too large to be checked")
        write = _WRITERS.get(type(value))
        if write is None:
            self._foreign(value)
        elif type(value) in _NODE_TYPES:
            self._node(value, write)
        else:
            write(self, value)

    def contents(self, node: object) -> None:
        """Write what a node holds, even if the other side knows it by number."""
        self._compound(_writer(node), node)

    def _node(self, node: object, write: Callable[[Encoder, Any], None]) -> None:
        number = self._numbers.get(id(node))
        if number is not None:
            self._out += b"r" + _U32.pack(number)
            return
        if self._number:
            self._numbers[id(node)] = len(self.nodes)
            self.nodes.append(node)
        start = len(self._out)
        self._compound(write, node)
        if self._number and self._out[start] == _OPAQUE:  # an array of objects: the other side
            del self._numbers[id(self.nodes.pop())]  # counts no node for it

    def _compound(self, write: Callable[[Encoder, Any], None], node: object) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooLargeError("the value is nested too deeply to be checked")
        start = len(self._out)
        try:
            write(self, node)
        except (AttributeError, TypeError, ValueError, struct.error):  # a layer taken to pieces
            del self._out[start:]
            self._opaque(type(node).__name__)
        self._depth -= 1

    def _foreign(self, value: object) -> None:
        handle = self._reference(value) if self._reference else None
        if handle is not None:
            self._out += b"h"
            self._bytes(handle.class_name.encode())
            self._out += _U32.pack(handle.number)
            return
        for base in type.mro(type(value)):
            if base in _WRITERS:
                if base in _NODE_TYPES:
                    self._node(value, _WRITERS[base])
                else:
                    _WRITERS[base](self, value)
                return
        self._opaque(type(value).__name__)

    def _opaque(self, kind: str) -> None:
        self._out += b"O"
        self._bytes(kind.encode("utf-8", "replace")[:100])

    def _bytes(self, data: bytes) -> None:
        self._out += _U32.pack(len(data))
        self._out += data

    # --- one writer for each type ------------------------------------------------------------

    def _none(self, _: None) -> None:
        self._out += b"N"

    def _bool(self, value: bool) -> None:
        self._out += b"T" if value else b"F"

    def _int(self, value: int) -> None:
        size = int.bit_length(value) // 8 + 1
        if size > MAX_INT_BYTES:
            self._opaque("int, with more than 300 digits")
            return
        self._out += b"i" + _U8.pack(size) + int.to_bytes(value, size, "little", signed=True)

    def _float(self, value: float) -> None:
        self._out += b"d" + _F64.pack(value)

    def _complex(self, value: complex) -> None:
        self._out += b"j" + _C128.pack(value.real, value.imag)

    def _str(self, value: str) -> None:
        self._out += b"s"
        self._bytes(str.encode(value, "utf-8", "replace"))

    def _raw(self, value: bytes) -> None:
        self._out += b"b"
        self._bytes(value)

    def _list(self, value: list[object]) -> None:
        self._sequence(b"l", list.__iter__(value), list.__len__(value))

    def _tuple(self, value: tuple[object, ...]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TooLargeError("the value is nested too deeply to be checked")
        self._sequence(b"t", tuple.__iter__(value), tuple.__len__(value))
        self._depth -= 1

    def _set(self, value: set[object]) -> None:
        self._sequence(b"S", set.__iter__(value), set.__len__(value))

    def _frozenset(self, value: frozenset[object]) -> None:
        self._sequence(b"Z", frozenset.__iter__(value), frozenset.__len__(value))

    def _sequence(self, tag: bytes, items: Any, count: int) -> None:
        self._out += tag + _U32.pack(count)
        for item in items:
            self.value(item)

    def _dict(self, value: dict[object, object]) -> None:
        self._out += b"D" + _U32.pack(dict.__len__(value))
        for key, item in dict.items(value):
            self.value(key)
            self.value(item)

    def _array(self, value: np.ndarray[Any, Any]) -> None:
        array = np.asarray(value)
        code = _DTYPE_CODES.get(array.dtype.newbyteorder("="))
        if code is None:
            raise TypeError(f"an array of {array.dtype.name}")
        if len(self._out) + array.nbytes > MAX_BYTES:
            raise TooLargeError("the value is too large to be checked")
        self._out += b"a" + _ARRAY.pack(code, array.flags.writeable, array.ndim)
        self._out += struct.pack(f"<{array.ndim}q", *array.shape)
        self._out += array.astype(_DTYPES[code], copy=False).tobytes()

    def _scalar(self, value: np.generic) -> None:
        code = _DTYPE_CODES[value.dtype]
        self._out += b"n" + _U8.pack(code) + value.tobytes()

    def _tensor(self, value: Tensor) -> None:
        self._out += b"X" + (b"T" if value.requires_grad else b"F")
        self._array(value.data)
        self._array_or_none(value.grad)

    def _dense(self, value: Dense) -> None:
        self._out += b"Y" + struct.pack("<qq", value.input_size, value.output_size)
        self._array(value.weights.data)
        self._array_or_none(None if value.bias is None else value.bias.data)

    def _array_or_none(self, array: np.ndarray[Any, Any] | None) -> None:
        if array is None:
            self._none(None)
        else:
            self._array(array)

    def _activation(self, value: object) -> None:
        kind = next(i for i, cls in enumerate(_ACTIVATIONS) if isinstance(value, cls))
        self._out += b"A" + _U8.pack(kind)

    def _sequential(self, value: Sequential) -> None:
        self._sequence(b"Q", iter(value.layers), len(value.layers))


_WRITERS: dict[type, Callable[[Encoder, Any], None]] = {
    type(None): Encoder._none,
    bool: Encoder._bool,
    int: Encoder._int,
    float: Encoder._float,
    complex: Encoder._complex,
    str: Encoder._str,
    bytes: Encoder._raw,
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
}
_NODE_TYPES = frozenset({list, set, dict, np.ndarray, Tensor, Dense, Sequential, *_ACTIVATIONS})


def _writer(value: object) -> Callable[[Encoder, Any], None]:
    return next(_WRITERS[base] for base in type.mro(type(value)) if base in _WRITERS)


class Decoder:
    """Reads one message, trusting nothing in it.

    given, number: as for `Encoder`; the two ends of a message agree on them.
    reference: gives the object that stands for a `Handle`.
    Every method raises CodecError for bytes that are not what it reads.
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
        self._data = message
        self._at = 0
        self._depth = 0
        self._items = 0
        if len(message) > MAX_BYTES * 2 or self._take(1) != _U8.pack(VERSION):
            raise CodecError("not a message of this version")

    def end(self) -> None:
        if self._at != len(self._data):
            raise CodecError("bytes after the end of the message")

    def value(self) -> Any:
        self._items += 1
        if self._items > MAX_ITEMS:
            raise CodecError("too many values in one message")
        tag = self._take(1)
        read = _READERS.get(tag)
        if read is None:
            raise CodecError(f"unknown tag {tag!r}")
        self._depth += 1
        if self._depth > MAX_DEPTH + 1:
            raise CodecError("nested too deeply")
        value = read(self)
        self._depth -= 1
        return value

    def update(self, node: object) -> None:
        """Read the contents of a node and give them to `node`, in place where the shape allows."""
        numbering, self._number = self._number, False
        new = self.value()
        self._number = numbering
        if isinstance(new, Opaque):
            raise UnreadableError(
                f"your code left its argument (a {type(node).__name__}) in a state that cannot be "
                "read any more"
            )
        if type(new) is not type(node):
            raise CodecError(f"contents of a {type(new).__name__} for a {type(node).__name__}")
        try:
            _TRANSFERS.get(type(node), _nothing)(node, new)
        except (ValueError, TypeError) as error:
            raise UnreadableError(
                f"your code left its argument (a {type(node).__name__}) in a state that it "
                f"does not allow: {error}"
            ) from error

    def _take(self, count: int) -> bytes:
        end = self._at + count
        piece = self._data[self._at : end]
        if len(piece) != count:
            raise CodecError("the message is cut short")
        self._at = end
        return piece

    def _count(self) -> int:
        count: int = _U32.unpack(self._take(4))[0]
        if count > len(self._data) - self._at:  # each item takes at least one byte
            raise CodecError("a count beyond the end of the message")
        return count

    def _node(self, node: Any) -> Any:
        if self._number:
            self.nodes.append(node)
        return node

    # --- one reader for each tag -------------------------------------------------------------

    def _ref(self) -> object:
        number = _U32.unpack(self._take(4))[0]
        if number >= len(self.nodes):
            raise CodecError("a number that was never given")
        return self.nodes[number]

    def _handle(self) -> object:
        name = self._str()
        number = _U32.unpack(self._take(4))[0]
        if self._reference is None:
            raise CodecError("a handle where none can be")
        return self._reference(Handle(name, number))

    def _opaque(self) -> Opaque:
        return Opaque(self._take(self._count()).decode("utf-8", "replace"))

    def _int(self) -> int:
        size = self._take(1)[0]
        if size > MAX_INT_BYTES:
            raise CodecError("an integer beyond the bounds")
        return int.from_bytes(self._take(size), "little", signed=True)

    def _float(self) -> float:
        value: float = _F64.unpack(self._take(8))[0]
        return value

    def _complex(self) -> complex:
        return complex(*_C128.unpack(self._take(16)))

    def _str(self) -> str:
        try:
            return self._take(self._count()).decode()
        except UnicodeDecodeError as error:
            raise CodecError("text that is not UTF-8") from error

    def _raw(self) -> bytes:
        return self._take(self._count())

    def _list(self) -> list[Any]:
        items: list[Any] = self._node([])
        items.extend(self.value() for _ in range(self._count()))
        return items

    def _tuple(self) -> tuple[Any, ...]:
        return tuple([self.value() for _ in range(self._count())])

    def _set(self) -> set[Any]:
        items: set[Any] = self._node(set())
        items.update(self._hashable() for _ in range(self._count()))
        return items

    def _frozenset(self) -> frozenset[Any]:
        return frozenset([self._hashable() for _ in range(self._count())])

    def _dict(self) -> dict[Any, Any]:
        items: dict[Any, Any] = self._node({})
        for _ in range(self._count()):
            key = self._hashable()
            items[key] = self.value()
        return items

    def _hashable(self) -> Any:
        value = self.value()
        try:
            hash(value)
        except TypeError as error:
            raise CodecError("a key that cannot be one") from error
        return value

    def _array(self) -> np.ndarray[Any, Any]:
        code, writeable, ndim = _ARRAY.unpack(self._take(3))
        if code >= len(_DTYPES) or ndim > 32:
            raise CodecError("an array of unknown kind")
        shape = struct.unpack(f"<{ndim}q", self._take(8 * ndim))
        dtype, count = _DTYPES[code], 1
        for side in shape:
            if not 0 <= side < MAX_SIDE:
                raise CodecError("an array with an impossible shape")
            count *= side
        size = count * dtype.itemsize
        if size > len(self._data) - self._at:
            raise CodecError("an array beyond the end of the message")
        try:
            data = np.frombuffer(self._data, dtype if code else np.uint8, count, self._at)
            array = data.reshape(shape)
        except ValueError as error:
            raise CodecError("an array with an impossible shape") from error
        self._at += size
        array = array.copy() if code else array != 0  # a bool is one byte, 0 or anything else
        if not writeable:
            array.flags.writeable = False
        return array

    def _array_node(self) -> np.ndarray[Any, Any]:
        array: np.ndarray[Any, Any] = self._node(self._array())
        return array

    def _scalar(self) -> np.generic:
        code = self._take(1)[0]
        if code >= len(_DTYPES):
            raise CodecError("a number of unknown kind")
        dtype = _DTYPES[code]
        raw = self._take(dtype.itemsize)
        scalar: np.generic = np.bool_(raw != b"\0") if code == 0 else np.frombuffer(raw, dtype)[0]
        return scalar

    def _inner_array(self) -> np.ndarray[Any, Any]:
        if self._take(1) != b"a":
            raise CodecError("a tensor without an array")
        return self._array()

    def _inner_array_or_none(self) -> np.ndarray[Any, Any] | None:
        tag = self._take(1)
        if tag not in (b"a", b"N"):
            raise CodecError("neither an array nor None")
        return self._array() if tag == b"a" else None

    def _tensor(self) -> Tensor:
        requires_grad = self._take(1) == b"T"
        data, grad = self._inner_array(), self._inner_array_or_none()
        tensor = Tensor(_real(data), requires_grad=requires_grad)
        tensor.grad = None if grad is None else _real(grad).astype(np.float32)
        self._node(tensor)
        return tensor

    def _dense(self) -> Dense | Opaque:
        sizes = struct.unpack("<qq", self._take(16))
        weights, bias = self._inner_array(), self._inner_array_or_none()
        kinds = {array.dtype.kind for array in (weights, bias) if array is not None}
        if weights.ndim != 2 or 0 in weights.shape or not kinds <= set("biuf"):
            return Opaque(f"Dense, with weights of shape {weights.shape}")
        if bias is not None and bias.shape != weights.shape[1:]:
            return Opaque(f"Dense, with weights of shape {weights.shape} and bias {bias.shape}")
        inputs, outputs = weights.shape
        layer = Dense(inputs, outputs, bias is not None, rng=0)
        layer.weights.data = weights
        if bias is not None:
            layer.bias = bias
        layer.input_size, layer.output_size = sizes
        self._node(layer)
        return layer

    def _activation(self) -> object:
        kind = self._take(1)[0]
        if kind >= len(_ACTIVATIONS):
            raise CodecError("an unknown activation")
        return self._node(_ACTIVATIONS[kind]())

    def _sequential(self) -> Sequential:
        model: Sequential = self._node(Sequential([]))
        model.layers.extend(self.value() for _ in range(self._count()))
        return model


def _real(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype.kind not in "biuf":
        raise CodecError("a tensor of complex numbers")
    return array


_READERS: dict[bytes, Callable[[Decoder], Any]] = {
    b"N": lambda _: None,
    b"T": lambda _: True,
    b"F": lambda _: False,
    b"i": Decoder._int,
    b"d": Decoder._float,
    b"j": Decoder._complex,
    b"s": Decoder._str,
    b"b": Decoder._raw,
    b"l": Decoder._list,
    b"t": Decoder._tuple,
    b"S": Decoder._set,
    b"Z": Decoder._frozenset,
    b"D": Decoder._dict,
    b"a": Decoder._array_node,
    b"n": Decoder._scalar,
    b"X": Decoder._tensor,
    b"Y": Decoder._dense,
    b"A": Decoder._activation,
    b"Q": Decoder._sequential,
    b"h": Decoder._handle,
    b"r": Decoder._ref,
    b"O": Decoder._opaque,
}


# --- giving a node new contents, in place ---------------------------------------------------------


def _nothing(node: object, new: object) -> None:
    """An activation holds nothing that could change."""


def _transfer_list(node: list[Any], new: list[Any]) -> None:
    node[:] = new


def _transfer_items(node: Any, new: Any) -> None:
    node.clear()
    node.update(new)


def _transfer_array(node: np.ndarray[Any, Any], new: np.ndarray[Any, Any]) -> None:
    if node.shape != new.shape or node.dtype != new.dtype:
        raise ValueError(f"shape {node.shape} of {node.dtype} became {new.shape} of {new.dtype}")
    node[...] = new


def _transfer_tensor(node: Tensor, new: Tensor) -> None:
    if node.shape == new.shape:
        node.data[...] = new.data
    else:
        node.data = new.data
    node.requires_grad, node.grad = new.requires_grad, new.grad


def _transfer_dense(node: Dense, new: Dense) -> None:
    _transfer_tensor(node.weights, new.weights)
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
