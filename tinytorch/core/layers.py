"""Layers: what a network is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from tinytorch.core.tensor import Tensor, as_tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Layer(ABC):
    """Anything that turns a tensor into a tensor; `layer(x)` computes `layer.forward(x)`."""

    def __call__(self, x: ArrayLike | Tensor) -> Tensor:
        return self.forward(as_tensor(x))

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """What the layer computes."""

    def parameters(self) -> list[Tensor]:
        """The tensors that training changes."""
        return []

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Dense(Layer):
    """A fully connected layer: `y = x @ weights + bias`.

    x: (..., input_size). weights: (input_size, output_size); column j is neuron j.
    bias: (output_size,), or None with `use_bias=False`.
    rng: a seed or a `numpy.random.Generator` for the initial weights. They are normal with
    standard deviation sqrt(2 / input_size) (He et al. 2015, arXiv 1502.01852); biases start at 0.

    Assigning an array or a Tensor to `weights` or `bias` copies it into the parameter, which stays
    the same Tensor: an optimizer made before still trains it.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        use_bias: bool = True,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        if input_size < 1 or output_size < 1:
            raise ValueError(
                f"a Dense layer needs at least one input and one output; "
                f"got input_size={input_size}, output_size={output_size}"
            )
        self.input_size = input_size
        self.output_size = output_size
        scale = np.sqrt(2.0 / input_size)
        initial = np.random.default_rng(rng).normal(0.0, scale, (input_size, output_size))
        self._weights = Tensor(initial, requires_grad=True)
        self._bias = Tensor(np.zeros(output_size), requires_grad=True) if use_bias else None

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1:] != (self.input_size,):
            raise ValueError(
                f"Dense({self.input_size}, {self.output_size}) takes inputs of shape "
                f"(batch, {self.input_size}); got {x.shape}"
            )
        y = x @ self._weights
        return y if self._bias is None else y + self._bias

    def parameters(self) -> list[Tensor]:
        return [self._weights] if self._bias is None else [self._weights, self._bias]

    @property
    def weights(self) -> Tensor:
        return self._weights

    @weights.setter
    def weights(self, values: ArrayLike | Tensor) -> None:
        self._weights.data = values

    @property
    def bias(self) -> Tensor | None:
        return self._bias

    @bias.setter
    def bias(self, values: ArrayLike | Tensor | None) -> None:
        if values is None:
            self._bias = None
            return
        if self._bias is None:
            self._bias = Tensor(np.zeros(self.output_size), requires_grad=True)
        self._bias.data = values

    def __repr__(self) -> str:
        bias = "" if self._bias is not None else ", use_bias=False"
        return f"Dense({self.input_size}, {self.output_size}{bias})"
