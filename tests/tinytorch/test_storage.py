"""`tinytorch.storage`: a model comes back as it was, its size is honest, a bad file is refused."""

import os
import struct
import zlib
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
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
    for inputs, outputs in zip(sizes, sizes[1:], strict=False):
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


@given(models())
def test_a_model_comes_back_to_the_bit(tmp_path_factory, case):
    model, quantization = case
    path = tmp_path_factory.mktemp("model") / "model.ttm"
    written = save_model(path, model, quantization)
    assert written == path.stat().st_size == stored_size(model, quantization)
    assert_same(load_model(path), model)
