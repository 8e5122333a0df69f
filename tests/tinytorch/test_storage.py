"""`tinytorch.storage`: a model comes back as it was, its size is honest, a bad file is refused."""

import pickle
import resource
import struct
import tracemalloc
import zlib
from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinytorch.core.activations import ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.layers import Dense
from tinytorch.core.networks import Sequential, create_mlp
from tinytorch.storage import StorageError, load_model, save_model, stored_size


def quantize(layer, bits, dtype=np.float64):
    """The contract's affine quantization, with a scale of `dtype`; returns its info."""
    weights = layer.weights.data.astype(dtype)
    low, high = min(weights.min(), dtype(0)), max(weights.max(), dtype(0))
    scale = (high - low) / dtype(2**bits - 1) if high > low else dtype(1)
    zero_point = int(np.rint(-low / scale))
    integers = np.clip(np.rint(weights / scale) + zero_point, 0, 2**bits - 1).astype(np.uint16)
    layer.weights.data[...] = (integers.astype(dtype) - dtype(zero_point)) * scale
    return {
        "bits": bits,
        "scale": scale,
        "zero_point": zero_point,
        "quantized_weights": integers.astype(np.uint8 if bits <= 8 else np.uint16),
    }


def quantize_per_channel(layer, bits, dtype=np.float32):
    weights = layer.weights.data.astype(dtype)
    top = 2 ** (bits - 1) - 1
    scale = np.abs(weights).max(axis=0) / dtype(top)
    scale[scale == 0] = 1
    integers = np.rint(weights / scale).clip(-top, top)
    layer.weights.data[...] = integers * scale
    return {
        "bits": bits,
        "scale": scale,
        "zero_point": 0,
        "quantized_weights": integers.astype(np.int8 if bits <= 8 else np.int16),
    }


def prune(layer, ratio):
    magnitudes = np.abs(layer.weights.data)
    layer.weights.data[magnitudes < np.quantile(magnitudes, ratio)] = 0


def contract_bytes(model, quantization):
    """The contract's formula (step 6), every form spelled out."""
    total = 0
    for index, layer in enumerate(model.layers):
        if not isinstance(layer, Dense):
            continue
        n, m = layer.weights.data.size, np.count_nonzero(layer.weights.data)
        forms = [4 * n, ceil(n / 8) + 4 * m]
        if index in quantization:
            bits = quantization[index]["bits"]
            forms += [ceil(n * bits / 8) + 8, ceil(n / 8) + ceil(m * bits / 8) + 8]
        total += min(forms) + (0 if layer.bias is None else 4 * layer.output_size)
    return total


def assert_same(loaded, model):
    assert [type(layer) for layer in loaded.layers] == [type(layer) for layer in model.layers]
    for one, other in zip(loaded.layers, model.layers, strict=True):
        if isinstance(other, Dense):
            assert np.array_equal(one.weights.data, other.weights.data)
            assert one.weights.data.dtype == np.float32
            assert (one.bias is None) == (other.bias is None)
            if other.bias is not None:
                assert np.array_equal(one.bias.data, other.bias.data)


@st.composite
def models(draw):
    """A network of up to four Dense layers with pruned and quantized ones, and its infos."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    layers, quantization = [], {}
    for inputs, outputs in pairwise(sizes):
        layer = Dense(inputs, outputs, use_bias=draw(st.booleans()), rng=rng)
        if layer.bias is not None:
            layer.bias = rng.normal(size=outputs)
        layer.weights.data *= 10.0 ** draw(st.integers(-30, 30))
        prune(layer, draw(st.sampled_from([0.0, 0.5, 0.95, 1.0])))
        kind = draw(st.sampled_from([None, quantize, quantize_per_channel]))
        if kind is not None:
            dtype = draw(st.sampled_from([np.float32, np.float64]))
            quantization[len(layers)] = kind(layer, draw(st.integers(2, 16)), dtype)
        layers += [layer, draw(st.sampled_from([ReLU, Sigmoid, Tanh, Softmax]))()]
    return Sequential(layers), quantization


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("storage") / "model.ttm"


def read(path, data):
    path.write_bytes(data)
    return load_model(path)


def sealed(body):
    """A file body with the checksum that fits it."""
    return body + struct.pack("<I", zlib.crc32(body))


def small_file(path):
    """The bytes of a file in which every form of weights occurs."""
    model = create_mlp(6, [5, 20, 4], 3, Tanh, Softmax, rng=3)
    for index in (2, 4):
        prune(model.layers[index], 0.7)
    quantization = {
        0: quantize(model.layers[0], 3),
        4: quantize(model.layers[4], 11),
        6: quantize_per_channel(model.layers[6], 5),
    }
    save_model(path, model, quantization)
    return path.read_bytes()


@settings(deadline=None)
@given(case=models())
def test_a_model_comes_back_to_the_bit(path, case):
    model, quantization = case
    written = save_model(path, model, quantization)
    assert written == path.stat().st_size == stored_size(model, quantization)
    assert_same(load_model(path), model)


def test_the_outputs_are_the_same(path):
    model = create_mlp(64, [32], 10, rng=1)
    save_model(path, model, {0: quantize(model.layers[0], 4), 2: quantize(model.layers[2], 8)})
    x = np.random.default_rng(2).normal(size=(50, 64)).astype(np.float32)
    assert np.array_equal(load_model(path)(x).data, model(x).data)


def test_a_model_that_was_read_can_be_trained(path):
    save_model(path, create_mlp(3, [4], 2, rng=1))
    model = load_model(path)
    model(np.ones((2, 3))).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    model.layers[0].weights.data[...] = 0


def test_weights_rounded_in_another_order_are_stored_as_the_integers_say(path):
    layer = Dense(30, 30, rng=4)
    info = quantize(layer, 16)
    q, scale = info["quantized_weights"].astype(np.float32), np.float32(info["scale"])
    layer.weights = q * scale - info["zero_point"] * scale
    save_model(path, Sequential([layer]), {0: info})
    expected = (info["quantized_weights"] - float(info["zero_point"])) * info["scale"]
    assert np.array_equal(load_model(path).layers[0].weights.data, expected.astype(np.float32))


@pytest.mark.parametrize("sizes", [(64, 128, 64, 10), (784, 300, 100, 10), (100, 100), (50,) * 5])
@pytest.mark.parametrize("bits", [None, 1, 2, 4, 5, 8, 12, 16])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.9, 0.99])
def test_from_10000_parameters_a_file_is_within_10_percent_of_the_formula(sizes, bits, ratio):
    model = create_mlp(sizes[0], sizes[1:-1], sizes[-1], rng=5)
    quantization = {}
    for index, layer in enumerate(model.layers):
        if isinstance(layer, Dense):
            prune(layer, ratio)
            if bits is not None:
                quantization[index] = quantize(layer, bits)
    assert stored_size(model, quantization) == pytest.approx(
        contract_bytes(model, quantization), rel=0.1
    )


@settings(deadline=None)
@given(models())
def test_little_is_added_to_the_formula(case):
    model, quantization = case
    if any(np.ndim(info["scale"]) for info in quantization.values()):
        return  # the formula knows one scale a layer
    added = stored_size(model, quantization) - contract_bytes(model, quantization)
    assert added <= 10 + 9 * len(model.layers)


def test_the_file_is_as_the_module_says(path):
    """Written by hand from the layout in the docstring, both ways."""
    layer = Dense(3, 2)
    layer.weights.data[...] = [[0.5, 0], [0, -1.0], [0, 1.5]]
    layer.bias.data[...] = [1, -2]
    info = {"bits": 3, "scale": 0.5, "zero_point": 2}
    info["quantized_weights"] = np.array([[3, 2], [2, 0], [2, 5]], dtype=np.uint8)
    packed = 3 | 2 << 3 | 2 << 6 | 0 << 9 | 2 << 12 | 5 << 15
    dense = bytes([0, 1 | 4, 3, 2]) + struct.pack("<ff", 1, -2)
    dense += struct.pack("<BHf", 3, 2, 0.5) + packed.to_bytes(3, "little")

    sparse = Dense(1, 300, use_bias=False)
    sparse.weights = np.zeros((1, 300))
    sparse.weights.data[0, 9] = 7
    mask = (1 << 9).to_bytes(38, "little")
    masked = bytes([0, 2, 1, 0x80 | 300 % 128, 300 // 128]) + mask + struct.pack("<f", 7)

    data = sealed(b"TTM\x1a" + bytes([1, 4]) + dense + bytes([1]) + masked + bytes([4]))
    model = Sequential([layer, ReLU(), sparse, Softmax()])
    save_model(path, model, {0: info})
    assert path.read_bytes() == data
    assert_same(read(path, data), model)


def test_any_truncation_is_refused(path):
    data = small_file(path)
    for length in range(len(data)):
        with pytest.raises(StorageError):
            read(path, data[:length])


@settings(deadline=None)
@given(st.data())
def test_any_changed_byte_is_refused(path, data):
    whole = bytearray(small_file(path))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StorageError):
        read(path, bytes(whole))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_behind_a_right_checksum_damage_is_refused_or_read_but_never_crashes(path, data):
    body = bytearray(small_file(path)[:-4])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(5, len(body) - 1))
        stop = data.draw(st.integers(start, min(start + 3, len(body))))
        body[start:stop] = data.draw(st.binary(max_size=3))
    try:
        model = read(path, sealed(bytes(body)))
    except StorageError:
        return
    for layer in model.layers:
        if isinstance(layer, Dense):
            assert np.isfinite(layer.weights.data).all()


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b"")
@example(b"TTM")
@example(b"TTM\x1a")
def test_foreign_bytes_are_refused(path, data):
    for body in (data, b"TTM\x1a\x01" + data):
        with pytest.raises(StorageError):
            read(path, body)


def test_a_pickle_is_refused_and_not_executed(path):
    class Attack:
        def __reduce__(self):
            return exec, ("raise SystemExit('executed')",)

    with pytest.raises(StorageError, match="not a model file"):
        read(path, pickle.dumps(Attack()))


def test_errors_name_the_file_and_the_situation(path):
    data = small_file(path)
    for changed, words in [
        (b"PK\x03\x04" + data, "not a model file"),
        (data[:4] + b"\x02" + data[5:], "version 2"),
        (data[:-40], "damaged or truncated"),
    ]:
        with pytest.raises(StorageError, match=words) as caught:
            read(path, changed)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
    assert issubclass(StorageError, ValueError)


def test_a_missing_file_is_an_ordinary_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.ttm"):
        load_model(tmp_path / "nothing.ttm")


HUGE = b"\xff" * 5 + b"\x01"  # a varint, about 7e10


@pytest.mark.parametrize(
    "layer",
    [
        bytes([0]) + HUGE + HUGE,  # dense
        bytes([1]) + HUGE + HUGE,  # bias
        bytes([2]) + HUGE + b"\x01",  # bitmask
        bytes([4]) + HUGE + b"\x01" + struct.pack("<BHf", 1, 0, 1),  # packed
        bytes([4 | 8]) + b"\x01" + HUGE + struct.pack("<BHf", 1, 0, 1),  # scales
        bytes([0]) + b"\xff" * 400,  # a size that never ends
    ],
)
def test_absurd_sizes_are_refused_before_memory_is_asked_for(path, layer):
    data = sealed(b"TTM\x1a\x01\x01\x00" + layer + bytes(1000))
    tracemalloc.start()
    try:
        with pytest.raises(StorageError, match="damaged"):
            read(path, data)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


PACKED = bytes([4, 1, 1])


@pytest.mark.parametrize(
    "body",
    [
        bytes([1, 5]),  # no such kind of layer
        bytes([2, 1]),  # a layer is missing
        bytes([1, 1, 1]),  # a byte too many
        bytes([1, 0, 32, 1, 1]) + bytes(4),  # no such flag
        bytes([1, 0, 8, 1, 1]) + bytes(4),  # a scale for each neuron of float weights
        bytes([1, 0, 0, 0, 1]),  # no inputs
        bytes([1, 0, 0, 1, 1]) + struct.pack("<f", np.nan),
        bytes([1, 0, 1, 1, 1]) + struct.pack("<ff", np.inf, 1),
        bytes([1, 0]) + PACKED + struct.pack("<BHfB", 0, 0, 1, 0),  # 0 bits
        bytes([1, 0]) + PACKED + struct.pack("<BHfH", 17, 0, 1, 0),  # 17 bits
        bytes([1, 0]) + PACKED + struct.pack("<BHfB", 2, 4, 1, 0),  # zero point outside
        bytes([1, 0]) + PACKED + struct.pack("<BHfB", 2, 0, 0, 0),  # scale 0
        bytes([1, 0]) + PACKED + struct.pack("<BHfB", 2, 0, -1, 0),
        bytes([1, 0]) + PACKED + struct.pack("<BHfB", 2, 0, np.nan, 0),
        bytes([1, 0]) + PACKED + struct.pack("<BHfB", 8, 0, 3e38, 255),  # weights overflow
    ],
)
def test_impossible_content_is_refused_also_behind_a_right_checksum(path, body):
    with pytest.raises(StorageError, match="damaged"):
        read(path, sealed(b"TTM\x1a\x01" + body))


def changed(**entries):
    return lambda info: info.update(entries)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda info: info.pop("scale"), "needs bits, scale"),
        (changed(bits=0), "bits must be"),
        (changed(bits=17), "bits must be"),
        (changed(bits=8.0), "bits must be"),
        (changed(bits=True), "bits must be"),
        (changed(bits=7), "do not fit into 7 bits"),
        (changed(scale=0.0), "scale must be"),
        (changed(scale=-1.0), "scale must be"),
        (changed(scale=np.nan), "scale must be"),
        (changed(scale=np.ones(3)), "scale must be"),
        (changed(scale="1"), "scale must be"),
        (changed(zero_point=0.5), "zero_point must be"),
        (changed(zero_point=256), "do not fit"),
        (changed(zero_point=-1), "do not fit"),
        (changed(quantized_weights=np.zeros((4, 5), np.uint8)), "quantized_weights"),
        (changed(quantized_weights=np.zeros((5, 4))), "quantized_weights"),
        (changed(quantized_weights=np.zeros((5, 4), np.uint8)), "quantized again"),
        (lambda info: changed(scale=info["scale"] * 1.02)(info), "quantized again"),
    ],
)
def test_an_info_that_does_not_fit_the_layer_is_refused(path, damage, words):
    layer = Dense(5, 4, rng=6)
    info = quantize(layer, 8)
    damage(info)
    path.write_bytes(b"as it was")
    with pytest.raises(ValueError, match=words) as caught:
        save_model(path, Sequential([ReLU(), layer]), {1: info})
    assert "layer 1" in str(caught.value)
    assert path.read_bytes() == b"as it was"


def test_a_layer_that_changed_after_it_was_quantized_is_refused():
    layer = Dense(20, 20, rng=7)
    info = quantize(layer, 8)
    layer.weights.data[3, 4] += 0.3 * float(info["scale"])
    with pytest.raises(ValueError, match=r"layer 0.*quantized again"):
        stored_size(Sequential([layer]), {0: info})


@pytest.mark.parametrize("index", [1, 2, -1, "0"])
def test_an_info_for_no_dense_layer_is_refused(index):
    layer = Dense(2, 2)
    with pytest.raises(ValueError, match=r"the Dense layers are \[0\]"):
        stored_size(Sequential([layer, ReLU()]), {index: quantize(layer, 8)})


def test_the_tuple_of_layer_and_info_is_no_info():
    layer = Dense(2, 2)
    with pytest.raises(ValueError, match="layer 0: a quantization info needs"):
        stored_size(Sequential([layer]), {0: (layer, quantize(layer, 8))})


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["weights", "bias"])
def test_numbers_that_are_not_finite_are_refused(name, value):
    layer = Dense(2, 2)
    getattr(layer, name).data[..., 1] = value
    with pytest.raises(ValueError, match=r"layer 0.*NaN"):
        stored_size(Sequential([layer]))


def test_a_layer_the_format_does_not_know_is_refused():
    class Dropout(ReLU):
        """Read back it would be a ReLU, which it is not."""

    with pytest.raises(ValueError, match="layer 1 is a Dropout"):
        stored_size(Sequential([Dense(2, 2), Dropout()]))


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "model.ttm"
    save_model(path, create_mlp(2, [], 2, rng=8))
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            save_model(path, create_mlp(100, [], 100))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
