"""Values cross the wall unchanged; bytes that are no message never do harm."""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grader.inside import codec
from tinytorch.core.activations import ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.layers import Dense
from tinytorch.core.networks import Sequential
from tinytorch.core.tensor import Tensor

CASES = int(os.environ.get("CODEC_FUZZ_CASES", "200"))
ALLOWED = {
    *(type(None), bool, int, float, complex, range, str, bytes, list, tuple, set, frozenset, dict),
    *(np.ndarray, Tensor, Dense, Sequential, ReLU, Sigmoid, Softmax, Tanh, codec.Opaque),
    *(np.dtype(c).type for c in "?bhilBHILefdFD"),
}
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**200), 10**200)
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
)
dtypes = st.sampled_from(list(codec._DTYPES))
arrays = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
layers = st.builds(
    Dense, st.integers(1, 4), st.integers(1, 4), st.booleans(), rng=st.integers(0, 9)
)
leaves = (
    scalars
    | st.builds(range, st.integers(-9, 9), st.integers(-9, 9))
    | arrays
    | arrays.map(lambda a: a.ravel()[0] if a.size else None)
    | layers
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(scalars, inner, max_size=4)
        | st.frozensets(scalars, max_size=3)
        | st.builds(Sequential, st.lists(layers, max_size=3))
    ),
    max_leaves=12,
)


def cross(value: object, **options: Any) -> Any:
    encoder = codec.Encoder(**options)
    decoder = codec.Decoder(encoder.message(encoder.outline(value)), **options)
    result = decoder.value()
    decoder.end()
    return result


def same(a: Any, b: Any) -> bool:  # noqa: PLR0911 - one line for each type
    """Equal in type and value, NaN equal to NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, set | frozenset):  # a NaN in a set is equal to itself alone
        return same(sorted(a, key=repr), sorted(b, key=repr))
    if isinstance(a, dict):
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if isinstance(a, Tensor):
        return same(a.data, b.data) and a.requires_grad == b.requires_grad
    if isinstance(a, Dense):
        sizes = (a.input_size, a.output_size) == (b.input_size, b.output_size)
        return sizes and same(a.weights, b.weights) and same(a.bias, b.bias)
    if isinstance(a, Sequential):
        return same(a.layers, b.layers)
    if isinstance(a, np.generic):
        return a.tobytes() == b.tobytes() or bool(np.isnan(a) and np.isnan(b))
    if isinstance(a, float | complex):
        return repr(a) == repr(b)
    return bool(a == b)


@given(values)
@example(frozenset({math.nan}))
def test_what_crosses_arrives_the_same(value: object) -> None:
    assert same(cross(value), value)


@given(values)
def test_a_request_numbers_the_same_nodes_on_both_sides(value: object) -> None:
    encoder = codec.Encoder()
    decoder = codec.Decoder(encoder.message(encoder.outline(value)))
    decoder.value()
    assert [type(node) for node in decoder.nodes] == [type(node) for node in encoder.nodes]


Point = namedtuple("Point", "x y")


class Colour(IntEnum):
    RED = 3


class Word(str):
    pass


class Packed(bytes):
    def __len__(self) -> int:  # in bits
        return 8 * super().__len__()


class Untold(np.ndarray):
    nbytes = 1  # type: ignore[assignment]  # it says


class Array(np.ndarray):
    def tobytes(self, *_: Any) -> bytes:
        return b""


class Layer(Dense):
    pass


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (Point(1, 2), (1, 2)),
        (Colour.RED, 3),
        (Word("a"), "a"),
        (OrderedDict(a=1), {"a": 1}),
        ({Word("a"): [1]}, {"a": [1]}),
        ({"a": 1, 2: "b"}, {"a": 1, 2: "b"}),
        (np.float64(0.5), np.float64(0.5)),
        (np.zeros(2).view(Array), np.zeros(2)),
        (np.arange(3, dtype=">i4"), np.arange(3, dtype="i4")),
        (np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(6.0).reshape(2, 3)),
    ],
)
def test_a_subclass_arrives_as_its_base_type(value: object, base: object) -> None:
    assert same(cross(value), base)


def test_a_layer_of_a_subclass_arrives_as_dense() -> None:
    assert type(cross(Layer(2, 3, rng=0))) is Dense


@pytest.mark.parametrize(
    "value",
    [
        object(),
        len,
        (x for x in ()),
        2**5000,
        np.array([object()]),
        np.array(["text"]),
        range(10**7),
    ],
)
def test_what_has_no_encoding_arrives_opaque(value: object) -> None:
    arrived = cross({"fine": 1, "other": value})
    assert arrived["fine"] == 1
    assert isinstance(arrived["other"], codec.Opaque)


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x + 1,
        lambda x: x == 1,
        lambda x: x < 1,
        bool,
        len,
        float,
        int,
        lambda x: x.shape,
        lambda x: x["key"],
        lambda x: x(),
        np.asarray,
        lambda x: np.allclose(x, 1),
        lambda x: abs(x - 1) < 1,
        list,
        round,
        lambda x: 1 in x,
        math.isnan,
    ],
)
def test_any_use_of_an_opaque_value_fails(use: Any) -> None:
    with pytest.raises(codec.OpaqueValueError):
        use(codec.Opaque("thing"))


def test_an_array_that_is_read_only_arrives_read_only() -> None:
    array = np.arange(3)
    array.flags.writeable = False
    assert not cross(array).flags.writeable


def odd_layers() -> Iterator[Dense]:
    """Layers of which the sizes do not say it all."""
    resized, frozen, wide, doubled = (Dense(3, 2, rng=seed) for seed in range(4))
    resized.input_size = 5
    yield resized
    frozen.weights.data.flags.writeable = False
    yield frozen
    wide._weights = Tensor(np.arange(8.0).reshape(2, 4), requires_grad=True)
    wide.bias = None
    yield wide
    doubled._bias = Tensor([1.0, 2.0], requires_grad=True)
    doubled.output_size = 1
    yield doubled
    yield Dense(3, 2, rng=4)


def test_layers_that_are_not_as_they_were_made_arrive_as_they_are() -> None:
    layers = list(odd_layers())
    arrived = cross(layers)
    assert same(arrived, layers)
    assert [layer.weights.data.flags.writeable for layer in arrived] == [
        layer.weights.data.flags.writeable for layer in layers
    ]


def test_what_follows_an_opaque_layer_has_the_same_number_on_both_sides() -> None:
    odd, inner = Dense(2, 3, rng=0), [1]
    odd._bias = Tensor([1.0, 2.0], requires_grad=True)
    encoder = codec.Encoder()
    decoder = codec.Decoder(encoder.message(encoder.outline((odd, inner))))
    opaque, arrived = decoder.value()
    assert type(opaque) is codec.Opaque
    assert encoder.nodes[1] is inner
    assert decoder.nodes[1] is arrived


def test_a_bias_that_comes_in_place_needs_no_more_memory_than_it_has() -> None:
    layer, other = Dense(2, 3, use_bias=False, rng=0), Dense(2, 3, rng=1)
    layer.output_size = 10**13  # as a hostile answer before may have left it
    change(layer, other)
    assert same(layer, other)


def test_a_layer_without_weights_arrives_opaque() -> None:
    empty = Dense(3, 2, rng=0)
    empty._weights, empty.input_size = Tensor(np.zeros((0, 2)), requires_grad=True), 0
    opaque, after = cross([empty, 1])
    assert (type(opaque), after) == (codec.Opaque, 1)


def complex_inside() -> Iterator[object]:
    tensor, layer, biased = Tensor([1.0]), Dense(2, 2, rng=0), Dense(2, 2, rng=1)
    tensor._data = layer._weights._data = np.ones((2, 2), np.complex128)
    biased._bias._data = np.ones(2, np.complex64)
    yield from (tensor, layer, biased)


@pytest.mark.parametrize("value", list(complex_inside()), ids=lambda value: type(value).__name__)
def test_complex_numbers_where_none_can_be_arrive_opaque(value: object) -> None:
    opaque, after = cross([value, 1])
    assert (type(opaque), after) == (codec.Opaque, 1)


def test_one_object_twice_arrives_as_one_object() -> None:
    layer = Dense(2, 2, rng=0)
    arrived = cross([layer, {"again": layer}])
    assert arrived[0] is arrived[1]["again"]


def test_a_list_that_contains_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert same(cross(endless)[0][:0], [])  # a request may: it is numbered
    encoder = codec.Encoder(number=False)
    with pytest.raises(codec.TooLargeError):
        encoder.outline(endless)


@pytest.mark.parametrize(
    "value", [np.zeros(codec.MAX_BYTES // 8 + 1), list(range(codec.MAX_ITEMS + 1)), "x" * 5_000_000]
)
def test_what_is_too_large_is_refused(value: object) -> None:
    encoder = codec.Encoder()
    with pytest.raises(codec.TooLargeError):
        encoder.message(encoder.outline(value))


# --- changes in place -----------------------------------------------------------------------------


def change(node: Any, changed: Any) -> None:
    """Give `node` the contents of `changed`, as a reply does."""
    encoder = codec.Encoder(number=False)
    message = encoder.message(encoder.contents(changed))
    codec.Decoder(message, [node], number=False).update(node)


@given(st.data())
def test_a_node_takes_new_contents_in_place(data: st.DataObject) -> None:
    pair = st.tuples(st.lists(scalars), st.lists(scalars)) | st.tuples(
        st.dictionaries(scalars, scalars), st.dictionaries(scalars, scalars)
    )
    node, new = data.draw(pair)
    identity = id(node)
    change(node, new)
    assert id(node) == identity
    assert same(node, new)


def test_a_layer_is_changed_in_its_own_array() -> None:
    layer, other = Dense(3, 2, rng=0), Dense(3, 2, use_bias=False, rng=1)
    weights = layer.weights.data
    change(layer, other)
    assert layer.weights.data is weights
    assert np.array_equal(weights, other.weights.data)
    assert layer.bias is None


def test_a_gradient_of_a_layer_is_left_where_its_numbers_change() -> None:
    layer = Dense(2, 2, rng=0)
    layer.weights.grad = np.ones((2, 2), np.float32)
    change(layer, Dense(2, 2, rng=1))
    assert np.array_equal(layer.weights.grad, np.ones((2, 2)))


def test_a_tensor_that_is_no_parameter_any_more_takes_another_shape() -> None:
    parameter = Tensor([[1.0, 2.0]], requires_grad=True)
    change(parameter, Tensor([1.0, 2.0]))
    assert parameter.shape == (2,)
    assert not parameter.requires_grad


@pytest.mark.parametrize("depth", range(codec.MAX_DEPTH - 3, codec.MAX_DEPTH + 2))
def test_arguments_are_written_as_deep_as_they_are_read(depth: int) -> None:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    encoder = codec.Encoder()
    try:
        message = encoder.message(encoder.cases([((nested,), {})]))
    except codec.TooLargeError:
        assert depth >= codec.MAX_DEPTH
    else:
        assert codec.Decoder(message).cases() == [([nested], {})]


def test_a_change_that_an_object_refuses_is_told() -> None:
    with pytest.raises(codec.UnreadableError, match="Dense"):
        change(Dense(3, 2, rng=0), Dense(4, 2, rng=0))
    with pytest.raises(codec.UnreadableError, match="ndarray"):
        change(np.zeros(3), np.zeros(4))
    broken = Dense(3, 2, rng=0)
    del broken._weights
    with pytest.raises(codec.UnreadableError, match="Dense"):
        change(Dense(3, 2, rng=0), broken)


# --- bytes from a stranger ------------------------------------------------------------------------


def types_in(value: object) -> set[type]:
    found = {type(value)}
    inner: list[Any] = []
    if isinstance(value, list | tuple | set | frozenset):
        inner = list(value)
    elif isinstance(value, dict):
        inner = [*value, *value.values()]
    elif isinstance(value, Sequential):
        inner = value.layers
    for item in inner:
        found |= types_in(item)
    return found


def decode(message: bytes) -> None:
    """Decode as the examiner does: a value of allowed types, or CodecError, nothing else."""
    given_nodes = [Dense(2, 2, rng=0), np.zeros(3), [1, 2], {"a": 1}]
    with contextlib.suppress(codec.CodecError):  # the end of the message is one too
        decoder = codec.Decoder(message, given_nodes, number=False)
        while True:
            assert types_in(decoder.value()) <= ALLOWED
    with contextlib.suppress(codec.CodecError):
        decoder = codec.Decoder(message, given_nodes, number=False)
        for node in given_nodes:
            decoder.update(node)


@settings(max_examples=CASES, deadline=2000)
@given(st.binary(max_size=200))
def test_random_bytes_never_do_harm(message: bytes) -> None:
    decode(message)


@settings(max_examples=CASES, deadline=2000)
@given(values, st.data())
def test_damaged_messages_never_do_harm(value: object, data: st.DataObject) -> None:
    encoder = codec.Encoder(number=False)
    message = bytearray(encoder.message(encoder.outline(value)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        if not message:
            break
    decode(bytes(message))


def forge(outline: object, raw: bytes = b"") -> bytes:
    text = json.dumps(outline).encode()
    return struct.pack("<BI", codec.VERSION, len(text)) + text + raw


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=2), inner),
)
tags = st.sampled_from("RjblDtSZanXYVAQhrO")
outlines = st.recursive(
    json_values,
    lambda inner: st.builds(
        lambda tag, parts: [tag, *parts], tags, st.lists(inner | st.integers(-1, 13), max_size=7)
    ),
    max_leaves=30,
)


@settings(max_examples=CASES, deadline=2000)
@given(st.lists(outlines, max_size=3), st.binary(max_size=64))
def test_forged_outlines_never_do_harm(outline: object, raw: bytes) -> None:
    decode(forge(outline, raw))


@pytest.mark.parametrize(
    "outline",
    [
        [["a", 8, True, 2**31]],
        [["a", 8, True, *([2**16] * 4)]],
        [["a", 8, True, -8]],
        [["a", 99, True, 1]],
        [["a", 12, True, *([1] * 65)]],
        [["a", 12, True, 0, 2**30, 2**30, 2**30]],
        [["r", 99]],
        [["r", -1]],
        [["r", True]],
        [["h", "Scale", 1]],
        [["D", 1]],
        [["D", ["l"], 1]],
        [["S", ["l"]]],
        [["n", 1, 300]],
        [["n", 12, "text"]],
        [["j", "a", "b"]],
        [["R", 0, 9, 0]],
        [["R", 0, 10**9, 1]],
        [["R", 0, "a", 1]],
        [["b", 10]],
        [["b", -1]],
        [["l", ["a", 8, True, 1], ["a", 8, True, 1]]],
        [["Y", 1, 3, False]],
        [["Y", 1, 1, 1, 1]],
        [["Y", 2, 1]],
        [["Y", 0, 2**40, False]],
        [["Y", -1, 1, False]],
        [["Y", -1, -1, False]],
        [["Y", 2**40, 2**40, True]],
        [["Y", 2**70, 1, True]],
        [["Y", 1.0, 1, False]],
        [["Y", [1], 1, False]],
        [["V", 2, 2, None, None]],
        [["V", "a", 2, ["a", 11, True, 1, 1], None]],
        [["X", True, ["l"], None]],
        [["Q", 1]],
        [["A", 17]],
        [["O"]],
        [{"a": [1]}],
        [[]],
        [[[]]],
        {},
        7,
    ],
    ids=str,
)
def test_known_tricks_are_refused(outline: object) -> None:
    message = forge(outline, b"\0" * 8)
    try:
        decoder = codec.Decoder(message, number=False)
        value = decoder.value()
    except codec.CodecError:
        return
    assert types_in(value) <= ALLOWED
    assert outline == [["Q", 1]] or outline[0][0] == "a", value


def test_deep_nesting_is_refused_quickly() -> None:
    text = b"[" * 100_000 + b"]" * 100_000
    with pytest.raises(codec.CodecError):
        codec.Decoder(struct.pack("<BI", codec.VERSION, len(text)) + text)
    in_lists: Any = 1
    in_dicts: Any = 1
    for _ in range(codec.MAX_DEPTH + 2):
        in_lists, in_dicts = ["l", in_lists], {"a": in_dicts}
    for nested in (in_lists, in_dicts):
        with pytest.raises(codec.CodecError):
            codec.Decoder(forge([nested]), number=False).value()


@pytest.mark.parametrize("key", ["{}", "k" * 99 + "{}"])
def test_too_many_keys_are_refused(key: str) -> None:
    many = {key.format(i): 0 for i in range(codec.MAX_KEYS + 1)}
    with pytest.raises(codec.CodecError):
        codec.Decoder(forge([many]), number=False).value()
    with pytest.raises(codec.TooLargeError):
        codec.Encoder().outline(many)


@pytest.mark.parametrize("key", ["k{:04}", "k" * 59 + "{:04}"])
def test_as_many_short_keys_as_a_message_may_have_cross(key: str) -> None:
    many = {key.format(i): i for i in range(codec.MAX_KEYS)}
    assert same(cross(many), many)
    assert same(cross(set(many)), set(many))


def test_what_follows_bytes_that_count_themselves_otherwise_arrives_whole() -> None:
    packed, array = cross([Packed(b"ab"), np.arange(3.0)])
    assert (packed, list(array)) == (b"ab", [0, 1, 2])


def test_an_array_that_hides_its_size_is_counted() -> None:
    tensors = [Tensor([0.0]) for _ in range(2)]
    for tensor in tensors:
        tensor._data = np.zeros(codec.MAX_BYTES // 4 - 100, np.float32).view(Untold)
    with pytest.raises(codec.TooLargeError):
        codec.Encoder(number=False).outline(tensors)


def test_another_version_is_refused() -> None:
    with pytest.raises(codec.CodecError):
        codec.Decoder(bytes([codec.VERSION + 1]) + forge([1])[1:])


def test_what_follows_a_layer_in_pieces_arrives_whole() -> None:
    broken = Dense(2, 2, rng=0)
    broken._bias = "none"  # type: ignore[assignment]  # found only after the weights are written
    opaque, array = cross([broken, np.arange(3.0)])
    assert type(opaque) is codec.Opaque
    assert np.array_equal(array, np.arange(3.0))


def first_weight(value: Any) -> None:
    value.weights.data[0, 0] += 1


@pytest.mark.parametrize(
    ("value", "change", "expected"),
    [
        ([1, 2.0, math.nan, "a"], lambda value: None, []),
        ([1], lambda value: value.__setitem__(0, True), [0]),
        ([1.0], lambda value: value.__setitem__(0, 1), [0]),
        ({"a": [0.0]}, lambda value: value["a"].__setitem__(0, -0.0), [1]),
        (np.zeros(3), lambda value: value.fill(-0.0), [0]),
        ((np.zeros(3), np.ones(2)), lambda value: value[1].fill(2), [1]),
        (
            Sequential([Dense(2, 2, rng=0), ReLU()]),
            lambda value: first_weight(value.layers[0]),
            [1],
        ),
        (Sequential([Dense(2, 2, rng=0), ReLU()]), lambda value: value.layers.reverse(), [0]),
        ([[1], [2]], lambda value: value.append([3]), [0]),
        ({1, 2}, lambda value: value.add(3), [0]),
        (Tensor([1.0]), lambda value: setattr(value, "grad", np.ones(1, np.float32)), [0]),
        (np.zeros(2), lambda value: value.setflags(write=False), [0]),
        (np.zeros(4), lambda value: setattr(value, "shape", (2, 2)), [0]),
        (Dense(1, 1, rng=0), lambda value: setattr(value, "input_size", True), [0]),
        (Dense(2, 2, rng=0), lambda value: setattr(value, "bias", None), [0]),
        (Dense(2, 2, rng=0), lambda value: delattr(value, "_weights"), [0]),
        (ReLU(), lambda value: setattr(value, "__class__", Tanh), [0]),
    ],
)
def test_what_was_changed_in_place_is_found(value: Any, change: Any, expected: list[int]) -> None:
    encoder = codec.Encoder()
    message = encoder.message(encoder.outline(value))
    decoder = codec.Decoder(message)
    value = decoder.value()
    then = codec.held(decoder.nodes)
    change(value)
    assert codec.changed(decoder.nodes, then) == expected
