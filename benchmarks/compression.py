"""Pruning and quantizing a layer, in copy passes over its weights, and against other libraries."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Figure, Task, measure, ratio
from benchmarks.peers import NO_ONNX, NO_TORCH, onnx_session, torch
from benchmarks.reference import load
from tinytorch.core.layers import Dense

# shape of the weights: goals for pruning and for quantizing
GOALS = {(784, 300): (30, 15), (1000, 1000): (20, 10), (4096, 4096): (25, 13)}


def figures(quick: bool) -> Iterator[Figure]:
    """Yield the figures of `prune_weights_by_magnitude` and `quantize_layer_weights`."""
    reference = load()
    for shape in list(GOALS)[: 1 if quick else None]:
        times = measure(_tasks(reference, shape), quick)
        size = f"{shape[0]} x {shape[1]}"
        prune, quantize = GOALS[shape]
        yield Figure(f"prune {size}: copies", ratio(times, "prune", "copy"), at_most=prune)
        yield Figure(
            f"prune {size}: faster than PyTorch",
            ratio(times, "torch prune", "prune"),
            at_least=8,
            note=NO_TORCH,
        )
        yield Figure(f"quantize {size}: copies", ratio(times, "quantize", "copy"), at_most=quantize)
        for peer, name, missing in [
            ("torch", "PyTorch", NO_TORCH),
            ("onnx", "ONNX Runtime", NO_ONNX),
        ]:
            yield Figure(
                f"quantize {size}: faster than {name}",
                ratio(times, f"{peer} quantize", "quantize"),
                note=missing,
            )


def _tasks(reference: dict[str, Any], shape: tuple[int, int]) -> dict[str, Task]:
    layer = Dense(*shape, rng=1)
    weights = layer.weights.data.copy()
    copied = np.empty_like(weights)

    def restored() -> Dense:
        layer.weights.data[...] = weights
        return layer

    tasks = {
        "copy": Task(lambda _: np.copyto(copied, weights)),
        "prune": Task(reference["prune_weights_by_magnitude"], restored),
        "quantize": Task(reference["quantize_layer_weights"], restored),
    }
    if not NO_TORCH:
        tasks |= _torch_tasks(weights)
    if not NO_ONNX:
        tasks["onnx quantize"] = Task(_onnx_quantize(weights))
    return tasks


def _torch_tasks(weights: NDArray[np.float32]) -> dict[str, Task]:
    assert torch is not None
    prune = importlib.import_module("torch.nn.utils.prune")
    warnings.filterwarnings("ignore", "(?s).*quantize_per_tensor", UserWarning)
    stored = torch.from_numpy(weights.T.copy())  # nn.Linear stores (outputs, inputs)

    def linear() -> Any:
        layer = torch.nn.Linear(*weights.shape, bias=False)
        layer.weight.data.copy_(stored)
        return layer

    def quantize(_: None) -> object:
        low, high = (float(end) for end in torch.aminmax(stored))
        scale = (max(high, 0.0) - min(low, 0.0)) / 255
        zero_point = round(-min(low, 0.0) / scale)
        integers = torch.quantize_per_tensor(stored, scale, zero_point, torch.quint8)
        return integers.int_repr(), integers.dequantize()

    return {
        "torch prune": Task(lambda layer: prune.l1_unstructured(layer, "weight", 0.5), linear),
        "torch quantize": Task(quantize),
    }


def _onnx_quantize(weights: NDArray[np.float32]) -> Callable[[None], object]:
    steps = [
        ("DynamicQuantizeLinear", ["x"], ["integers", "scale", "zero_point"]),
        ("DequantizeLinear", ["integers", "scale", "zero_point"], ["weights"]),
    ]
    results: dict[str, type[np.generic]] = {"integers": np.uint8, "weights": np.float32}
    session = onnx_session(steps, {}, weights, results)
    return lambda _: session.run(None, {"x": weights})
