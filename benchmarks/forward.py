"""A forward pass, against its matrix products alone, at half the width, and in other libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Figure, Task, measure, ratio
from benchmarks.peers import NO_ONNX, NO_TORCH, onnx_session, torch
from benchmarks.reference import load
from tinytorch.core.layers import Dense
from tinytorch.core.networks import Sequential, create_mlp

Array: TypeAlias = NDArray[np.float32]


def figures(quick: bool) -> Iterator[Figure]:
    """Yield the figures of the forward pass of 784-300-100-10 on a batch of 128."""
    model = create_mlp(784, [300, 100], 10, rng=1)
    half, _ = load()["prune_model_neurons"](model, keep_ratio=0.5)
    x = np.random.default_rng(2).random((128, 784), dtype=np.float32)
    tasks = {
        "products": Task(_products(model, x)),
        "forward": Task(lambda _: model(x)),
        "half": Task(lambda _: half(x)),
    }
    if not NO_TORCH:
        tasks["torch"] = Task(_torch(model, x))
    if not NO_ONNX:
        tasks["onnx"] = Task(_onnx(model, x))
    times = measure(tasks, quick)
    name = "forward 784-300-100-10, batch 128"
    yield Figure(f"{name}: its products", ratio(times, "forward", "products"), at_most=1.2)
    yield Figure(f"{name}: faster at half width", ratio(times, "forward", "half"), at_least=1.7)
    yield Figure(f"{name}: faster than PyTorch", ratio(times, "torch", "forward"), note=NO_TORCH)
    yield Figure(f"{name}: faster than ONNX Runtime", ratio(times, "onnx", "forward"), note=NO_ONNX)


def _products(model: Sequential, x: Array) -> Callable[[None], object]:
    """Nothing but `x @ weights`, three times, on what really arrives at each layer."""
    factors = []
    for layer in model.layers:
        if isinstance(layer, Dense):
            factors.append((x, layer.weights.data))
        x = layer(x).data

    def run(_: None) -> object:
        return [inputs @ weights for inputs, weights in factors]

    return run


def _torch(model: Sequential, x: Array) -> Callable[[None], object]:
    assert torch is not None
    layers = []
    for layer in model.layers:
        if isinstance(layer, Dense):
            layers.append(torch.nn.Linear(layer.input_size, layer.output_size))
        else:
            layers.append(torch.nn.ReLU())
    same, inputs = torch.nn.Sequential(*layers), torch.from_numpy(x)

    def run(_: None) -> object:
        with torch.inference_mode():
            return same(inputs)

    return run


def _onnx(model: Sequential, x: Array) -> Callable[[None], object]:
    steps = []
    constants: dict[str, Array] = {}
    arriving = "x"
    for index, layer in enumerate(model.layers):
        leaving, names = f"y{index}", [arriving]
        if isinstance(layer, Dense):
            assert layer.bias is not None
            constants |= {f"w{index}": layer.weights.data, f"b{index}": layer.bias.data}
            names += [f"w{index}", f"b{index}"]
        steps.append(("Gemm" if len(names) == 3 else "Relu", names, [leaving]))
        arriving = leaving
    session = onnx_session(steps, constants, x, {arriving: np.float32})
    assert np.allclose(session.run(None, {"x": x})[0], model(x).data, atol=1e-4)
    return lambda _: session.run(None, {"x": x})
