"""Activation functions: the bends between the linear layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinytorch.core.layers import Layer
from tinytorch.core.tensor import Tensor, result

if TYPE_CHECKING:
    from tinytorch.core.tensor import Array


class ReLU(Layer):
    """max(0, x), elementwise; its derivative at 0 is taken as 0."""

    def forward(self, x: Tensor) -> Tensor:
        y = np.maximum(x.data, 0)
        return result(y, (x, lambda g: g * (y > 0)))


class Sigmoid(Layer):
    """1 / (1 + exp(-x)), elementwise."""

    def forward(self, x: Tensor) -> Tensor:
        y = sigmoid(x.data)
        return result(y, (x, lambda g: g * y * (1 - y)))


class Tanh(Layer):
    """tanh(x), elementwise."""

    def forward(self, x: Tensor) -> Tensor:
        y = np.tanh(x.data)
        return result(y, (x, lambda g: g * (1 - y * y)))


class Softmax(Layer):
    """exp(x_j) / sum_k exp(x_k) over the last axis: probabilities.

    The largest value is subtracted first, which changes nothing but keeps exp from overflowing.
    """

    def forward(self, x: Tensor) -> Tensor:
        largest: Array = x.data.max(axis=-1, keepdims=True)
        e = (x - largest).exp()
        return e / e.sum(axis=-1, keepdims=True)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) of an array, from exp(-|x|), which cannot overflow."""
    e = np.exp(-np.abs(x))
    y: Array = np.where(x >= 0, 1, e) / (1 + e)
    return y
