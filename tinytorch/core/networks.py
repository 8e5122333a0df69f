"""Networks: layers in a row."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Dense, Layer
from tinytorch.core.tensor import Tensor


class Sequential(Layer):
    """A network that applies its layers one after the other; `layers` is the list of them."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers = list(layers)
        for index, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                hint = f"; write {layer.__name__}()" if isinstance(layer, type) else ""
                raise ValueError(f"layers[{index}] is not a layer: {layer!r}{hint}")

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self) -> list[Tensor]:
        return [parameter for layer in self.layers for parameter in layer.parameters()]

    def __repr__(self) -> str:
        return f"Sequential([{', '.join(map(repr, self.layers))}])"


def create_mlp(
    input_size: int,
    hidden_sizes: Iterable[int],
    output_size: int,
    activation: type[Layer] = ReLU,
    output_activation: type[Layer] | None = None,
    *,
    rng: int | np.random.Generator | None = None,
) -> Sequential:
    """A multilayer perceptron: Dense layers with `activation` between them.

    `create_mlp(64, [128, 64], 10)` is Dense(64, 128), ReLU, Dense(128, 64), ReLU, Dense(64, 10).
    Without `output_activation` the network gives logits, as the cross-entropy losses want them.
    rng: a seed or a `numpy.random.Generator` for the initial weights.
    """
    rng = np.random.default_rng(rng)
    layers: list[Layer] = []
    for inputs, outputs in pairwise([input_size, *hidden_sizes, output_size]):
        layers += [Dense(inputs, outputs, rng=rng), activation()]
    layers.pop()  # the last Dense has no activation of its own
    if output_activation is not None:
        layers.append(output_activation())
    return Sequential(layers)
