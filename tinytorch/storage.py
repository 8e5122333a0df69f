"""Compressed models on disk: a size in the module is the length of a file written here.

    written = save_model("digits.ttm", model, {0: info0, 2: info2})   # bytes on disk
    model = load_model("digits.ttm")

Each layer's weights are stored in the smallest of four forms; a bias always takes 4 bytes a neuron:

    dense              4 n bytes                        n weights
    packed             ceil(n b / 8)                    b bits a weight, plus scale and zero point
    bitmask            ceil(n / 8) + 4 m                m of them nonzero
    bitmask + packed   ceil(n / 8) + ceil(m b / 8)      plus scale and zero point

The file, version 1 (integers and floats little-endian; `varint` is unsigned LEB128: seven bits a
byte, lowest first, the top bit set on every byte but the last):

    4 bytes   "TTM" and the byte 1A (hex)
    uint8     version, 1
    varint    number of layers
    layers    one after the other, as below
    uint32    CRC-32 (zlib.crc32) of everything before it

    uint8     kind of layer: 0 Dense, 1 ReLU, 2 Sigmoid, 3 Tanh, 4 Softmax; after a Dense follow
    uint8     flags: 1 bias, 2 bitmask, 4 quantized, 8 a scale for each neuron, 16 float64 scales
    varint    input_size, then output_size, each at least 1; n = input_size * output_size
    float32   if bias: output_size values
    uint8     if quantized: b, the bits of a weight, 1 to 16
    uint16    if quantized: zero point, 0 to 2**b - 1
    float     if quantized: the scale, or output_size scales; float32, or float64 by the flag
    bits      if bitmask: n bits, 1 where the weight is not 0
    values    the n weights, or with a bitmask the nonzero ones; float32, or if quantized b bits

Weights run in the order of the array (input_size, output_size), last index fastest. Bits fill a
byte from its lowest bit, a packed integer begins with its lowest bit, and each run of bits is
filled up to whole bytes. The weight of a packed integer u is `(u - zero point) * scale`, computed
in float64 and rounded to float32. Signed integers q are stored as `u = q + 2**(b - 1)`, their zero
point likewise. With a bitmask a weight of -0.0 comes back as 0.0. Nothing in a file is executed,
and no more memory is asked for than the bytes that are there account for.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinytorch.core.activations import ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.layers import Dense, Layer
from tinytorch.core.networks import Sequential

__all__ = ["StorageError", "load_model", "save_model", "stored_size"]

MAGIC = b"TTM\x1a"
VERSION = 1
KINDS: tuple[type[Layer], ...] = (Dense, ReLU, Sigmoid, Tanh, Softmax)
BIAS, BITMASK, QUANTIZED, PER_NEURON, FLOAT64_SCALE = 1, 2, 4, 8, 16

Floats: TypeAlias = NDArray[np.float32]
Form: TypeAlias = tuple[int, bytes]  # flags, and the weights so stored
Quantization: TypeAlias = Mapping[int, Mapping[str, Any]]


class StorageError(ValueError):
    """A file that is not a whole, undamaged model file of a version this library reads."""


def save_model(
    path: str | os.PathLike[str], model: Sequential, quantization: Quantization | None = None
) -> int:
    """Write `model` to `path` and return the bytes written, the size of the file.

    Args:
        model: `Sequential` of `Dense`, `ReLU`, `Sigmoid`, `Tanh` and `Softmax`.
        quantization: layer index -> the `info` of the function that quantized this layer, of which
            `bits`, `scale`, `zero_point` and `quantized_weights` are used. Without it a layer's
            weights are stored as float32.

    Raises:
        ValueError: a layer of another kind, weights that are not finite, or an `info` that is not
            the one of the layer's present weights. Nothing is written then.
    """
    data = _encode(model, quantization or {})
    folder, name = os.path.split(path)
    # A reader sees the old file or the new one, never half of it: also when the disk is full.
    unfinished = os.path.join(folder, f".{name}.{os.getpid()}")
    try:
        with open(unfinished, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        with suppress(FileNotFoundError):  # it has the right name already
            os.remove(unfinished)
    return len(data)


def stored_size(model: Sequential, quantization: Quantization | None = None) -> int:
    """Return the bytes that `save_model` would write, without writing; with the same errors."""
    return len(_encode(model, quantization or {}))


def load_model(path: str | os.PathLike[str]) -> Sequential:
    """Read a model that `save_model` wrote; float32 weights, dequantized where they were quantized.

    Raises:
        StorageError: the file is no model file, of another version, truncated or damaged.
    """
    with open(path, "rb") as file:
        head = file.read(len(MAGIC) + 1)
        try:
            _check_head(head)
            return _decode(head + file.read())
        except StorageError as error:
            raise StorageError(f"{os.fspath(path)}: {error}") from None


class _Grid(NamedTuple):
    """The weights that integers stand for: `(integers - zero_point) * scale`."""

    bits: int
    zero_point: int
    scale: NDArray[Any]  # (1,) or (output_size,), float32 or float64

    def weights(self, integers: NDArray[Any]) -> Floats:
        """Return the weights (input_size, output_size); infinite where float32 is too small."""
        with np.errstate(over="ignore"):
            steps = integers.astype(np.float64) - self.zero_point
            return (steps * self.scale.astype(np.float64)).astype(np.float32)


def _encode(model: Sequential, quantization: Quantization) -> bytes:
    dense = [index for index, layer in enumerate(model.layers) if type(layer) is Dense]
    for index in quantization:
        if index not in dense:
            raise ValueError(f"quantization names layer {index!r}; the Dense layers are {dense}")
    parts = [MAGIC, bytes([VERSION]), _varint(len(model.layers))]
    for index, layer in enumerate(model.layers):
        if type(layer) not in KINDS:
            known = ", ".join(kind.__name__ for kind in KINDS)
            name = type(layer).__name__
            raise ValueError(f"layer {index} is a {name}; a model file holds {known}")
        parts.append(bytes([KINDS.index(type(layer))]))
        if isinstance(layer, Dense):
            parts.append(_encode_dense(index, layer, quantization.get(index)))
    body = b"".join(parts)
    return body + struct.pack("<I", zlib.crc32(body))


def _encode_dense(index: int, layer: Dense, info: Mapping[str, Any] | None) -> bytes:
    weights = layer.weights.data
    bias = layer.bias.data if layer.bias is not None else np.empty(0, np.float32)
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        raise ValueError(f"layer {index}: weights or bias hold NaN or infinity")
    forms = _float_forms(weights)
    if info is not None:
        forms += _packed_forms(*_read_info(f"layer {index}", info, weights))
    flags, stored = min(forms, key=lambda form: len(form[1]))
    if layer.bias is not None:
        flags |= BIAS
    sizes = _varint(layer.input_size) + _varint(layer.output_size)
    return bytes([flags]) + sizes + bias.astype("<f4").tobytes() + stored


def _float_forms(weights: Floats) -> list[Form]:
    values = weights.astype("<f4").ravel()
    nonzero = values != 0
    return [(0, values.tobytes()), (BITMASK, _pack(nonzero, 1) + values[nonzero].tobytes())]


def _packed_forms(grid: _Grid, integers: NDArray[np.int64]) -> list[Form]:
    flags = QUANTIZED
    if grid.scale.size > 1:
        flags |= PER_NEURON
    if grid.scale.dtype == np.float64:
        flags |= FLOAT64_SCALE
    head = struct.pack("<BH", grid.bits, grid.zero_point)
    head += grid.scale.astype(grid.scale.dtype.newbyteorder("<")).tobytes()
    values = integers.ravel()
    nonzero = values != grid.zero_point
    masked = _pack(nonzero, 1) + _pack(values[nonzero], grid.bits)
    return [(flags, head + _pack(values, grid.bits)), (flags | BITMASK, head + masked)]


def _read_info(
    where: str, info: Mapping[str, Any], weights: Floats
) -> tuple[_Grid, NDArray[np.int64]]:
    """Check the `info` of a quantization; return its grid and unsigned integers."""
    if not isinstance(info, Mapping) or not {
        "bits",
        "scale",
        "zero_point",
        "quantized_weights",
    } <= set(info):
        raise ValueError(
            f"{where}: a quantization info needs bits, scale, zero_point and quantized_weights"
        )
    bits, zero_point = info["bits"], info["zero_point"]
    scale, integers = np.asarray(info["scale"]), np.asarray(info["quantized_weights"])
    if not _is_integer(bits) or not 1 <= bits <= 16:
        raise ValueError(f"{where}: bits must be an integer from 1 to 16, got {bits!r}")
    if not _is_integer(zero_point):
        raise ValueError(f"{where}: zero_point must be an integer, got {zero_point!r}")
    if integers.dtype.kind not in "iu" or integers.shape != weights.shape:
        raise ValueError(
            f"{where}: quantized_weights must be integers of shape {weights.shape}, "
            f"got {integers.dtype} of shape {integers.shape}"
        )
    if scale.dtype.kind not in "iuf" or scale.shape not in {(), weights.shape[1:]}:
        raise ValueError(f"{where}: scale must be one number, or one for each neuron")
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError(f"{where}: scale must be positive and finite")

    lowest, highest, zero = int(integers.min()), int(integers.max()), int(zero_point)
    signed = 2 ** (int(bits) - 1) if min(lowest, zero) < 0 else 0
    if min(lowest, zero) + signed < 0 or max(highest, zero) + signed >= 2**bits:
        raise ValueError(
            f"{where}: integers from {lowest} to {highest} with zero point {zero} "
            f"do not fit into {bits} bits"
        )
    exact = _Grid(int(bits), zero + signed, scale.astype(np.float64).reshape(-1))
    unsigned = integers.astype(np.int64) + signed
    # Room for another order of operations, far below the step to the next integer.
    difference = np.abs(exact.weights(unsigned).astype(np.float64) - weights)
    if not (difference <= 0.01 * exact.scale + 1e-5 * np.abs(weights)).all():
        raise ValueError(
            f"{where}: its weights are not (quantized_weights - zero_point) * scale; "
            "a layer that changed since then must be quantized again"
        )
    return _shorten(exact, unsigned, weights), unsigned


def _is_integer(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _shorten(exact: _Grid, integers: NDArray[np.int64], weights: Floats) -> _Grid:
    """Use a float32 scale where it gives the weights to the bit."""
    with np.errstate(over="ignore"):
        short = exact._replace(scale=exact.scale.astype(np.float32))
    fits = (short.scale > 0).all() and np.array_equal(short.weights(integers), weights)
    return short if fits else exact


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _pack(integers: NDArray[Any], bits: int) -> bytes:
    """Pack m unsigned integers of `bits` bits each into ceil(m * bits / 8) bytes."""
    octets = integers.astype("<u2").view(np.uint8).reshape(-1, 2)
    each = np.unpackbits(octets, axis=1, count=bits, bitorder="little")
    return np.packbits(each, bitorder="little").tobytes()


def _unpack(packed: bytes, count: int, bits: int) -> NDArray[np.uint16]:
    """Undo `_pack` of `count` integers."""
    stream = np.frombuffer(packed, np.uint8)
    each = np.unpackbits(stream, count=count * bits, bitorder="little").reshape(count, bits)
    octets = np.zeros((count, 2), np.uint8)
    octets[:, : (bits + 7) // 8] = np.packbits(each, axis=1, bitorder="little")
    return octets.view("<u2").ravel()


class _Reader:
    """Takes values off bytes one after the other, and never asks for memory past their end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        left = len(self.data) - self.position
        if count > left:
            raise StorageError(f"damaged: {count} bytes announced where {left} are left")
        self.position += count
        return self.data[self.position - count : self.position]

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 63, 7):
            group = self.byte()
            value |= (group & 0x7F) << shift
            if group < 0x80:
                return value
        raise StorageError("damaged: a number of more than 63 bits")

    def floats(self, count: int, dtype: str = "<f4") -> NDArray[Any]:
        values = np.frombuffer(self.take(count * np.dtype(dtype).itemsize), dtype)
        if not np.isfinite(values).all():
            raise StorageError("damaged: NaN or infinity among its numbers")
        return values

    def integers(self, count: int, bits: int) -> NDArray[np.uint16]:
        return _unpack(self.take((count * bits + 7) // 8), count, bits)


def _check_head(head: bytes) -> None:
    if head[:-1] != MAGIC:
        raise StorageError("not a model file; tinytorch.storage.save_model writes them")
    if head[-1] != VERSION:
        raise StorageError(
            f"version {head[-1]} of the model format, this tinytorch reads version {VERSION}; "
            "use the tinytorch that wrote it"
        )


def _decode(data: bytes) -> Sequential:
    body, checksum = data[:-4], data[-4:]
    if struct.pack("<I", zlib.crc32(body)) != checksum:
        raise StorageError("damaged or truncated: the checksum is wrong; copy or save it again")
    reader = _Reader(body)
    _check_head(reader.take(len(MAGIC) + 1))
    layers: list[Layer] = []
    for _ in range(reader.varint()):
        kind = reader.byte()
        if kind >= len(KINDS):
            raise StorageError(f"damaged: no kind of layer has the number {kind}")
        layers.append(_decode_dense(reader) if KINDS[kind] is Dense else KINDS[kind]())
    if reader.position != len(body):
        raise StorageError("damaged: bytes are left over after its last layer")
    return Sequential(layers)


def _decode_dense(reader: _Reader) -> Dense:
    flags, shape = reader.byte(), (reader.varint(), reader.varint())
    scale_flags = PER_NEURON | FLOAT64_SCALE
    if flags >= 32 or (flags & scale_flags and not flags & QUANTIZED) or 0 in shape:
        raise StorageError(f"damaged: no Dense layer has flags {flags} and shape {shape}")
    bias = reader.floats(shape[1]) if flags & BIAS else None
    weights = _decode_weights(reader, flags, shape)
    layer = Dense(*shape, use_bias=bias is not None)
    layer.weights.data[...] = weights
    if bias is not None:
        layer.bias = bias
    return layer


def _decode_weights(reader: _Reader, flags: int, shape: tuple[int, int]) -> Floats:
    grid = _decode_grid(reader, flags, shape[1]) if flags & QUANTIZED else None
    size = shape[0] * shape[1]
    nonzero = reader.integers(size, 1) == 1 if flags & BITMASK else None
    count = size if nonzero is None else int(np.count_nonzero(nonzero))
    values: NDArray[Any] = (
        reader.floats(count) if grid is None else reader.integers(count, grid.bits)
    )
    if nonzero is not None:
        stored = values
        values = np.full(size, 0 if grid is None else grid.zero_point, stored.dtype)
        values[nonzero] = stored
    values = values.reshape(shape)
    if grid is None:
        return values
    weights = grid.weights(values)
    if not np.isfinite(weights).all():
        raise StorageError("damaged: weights too large for float32")
    return weights


def _decode_grid(reader: _Reader, flags: int, output_size: int) -> _Grid:
    bits, zero_point = struct.unpack("<BH", reader.take(3))
    if not 1 <= bits <= 16 or zero_point >= 2**bits:
        raise StorageError(f"damaged: zero point {zero_point} in {bits} bits")
    dtype = "<f8" if flags & FLOAT64_SCALE else "<f4"
    scale = reader.floats(output_size if flags & PER_NEURON else 1, dtype)
    if not (scale > 0).all():
        raise StorageError("damaged: a scale is not positive")
    return _Grid(bits, zero_point, scale)
