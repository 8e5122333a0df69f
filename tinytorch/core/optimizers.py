"""Optimizers: how a step down the gradient is taken.

An update works in place, in arrays made once: new arrays in every step would cost more than the
arithmetic. So its lines are short, and the formula stands beside them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from tinytorch.core.tensor import Tensor

if TYPE_CHECKING:
    from tinytorch.core.tensor import Array


class Optimizer(ABC):
    """What all optimizers share: parameters, a learning rate, and for each parameter arrays of its
    shape, 0 at first, that an update may use."""

    arrays_per_parameter: int

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("there is nothing to train: the list of parameters is empty")
        if not 0 < learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be positive and finite; got {learning_rate}")
        self.learning_rate = learning_rate
        self.steps = 0
        self._arrays = [
            [np.zeros_like(parameter.data) for _ in range(self.arrays_per_parameter)]
            for parameter in self.parameters
        ]

    def zero_grad(self) -> None:
        """Forget the gradients; without this, `backward` adds to them."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient, once, in place."""
        self.steps += 1
        for parameter, arrays in zip(self.parameters, self._arrays, strict=True):
            if parameter.grad is not None:
                self._update(parameter.data, parameter.grad, *arrays)

    @abstractmethod
    def _update(self, w: Array, gradient: Array, *arrays: Array) -> None:
        """Change `w` in place; `gradient` is left as it is."""


class SGD(Optimizer):
    """Stochastic gradient descent with momentum and weight decay, as in PyTorch.

    g = gradient + weight_decay * w
    v = momentum * v + g
    w = w - learning_rate * v
    """

    arrays_per_parameter = 2

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters, learning_rate)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in [0, 1); got {momentum}")
        if not 0 <= weight_decay < float("inf"):
            raise ValueError(f"weight_decay must be at least 0 and finite; got {weight_decay}")
        self.momentum = momentum
        self.weight_decay = weight_decay

    def _update(self, w: Array, gradient: Array, *arrays: Array) -> None:
        v, t = arrays
        g = gradient
        if self.weight_decay:
            np.multiply(w, self.weight_decay, out=t)
            t += gradient
            g = t  # gradient + weight_decay * w
        if self.momentum:
            v *= self.momentum
            v += g
            g = v  # momentum * v + g
        np.multiply(g, self.learning_rate, out=t)
        w -= t


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1), t counting the steps.

    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g^2
    w = w - learning_rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
    """

    arrays_per_parameter = 3

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(parameters, learning_rate)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"both betas must be in [0, 1); got {betas}")
        if not 0 < epsilon < float("inf"):
            raise ValueError(f"epsilon must be positive and finite; got {epsilon}")
        self.beta1, self.beta2 = betas
        self.epsilon = epsilon

    def _update(self, w: Array, gradient: Array, *arrays: Array) -> None:
        m, v, t = arrays
        m *= self.beta1
        np.multiply(gradient, 1 - self.beta1, out=t)
        m += t  # beta1 * m + (1 - beta1) * g
        v *= self.beta2
        np.multiply(gradient, gradient, out=t)
        t *= 1 - self.beta2
        v += t  # beta2 * v + (1 - beta2) * g^2
        np.divide(v, 1 - self.beta2**self.steps, out=t)
        np.sqrt(t, out=t)
        t += self.epsilon  # sqrt(v / (1 - beta2^t)) + epsilon
        np.divide(m, t, out=t)
        t *= self.learning_rate / (1 - self.beta1**self.steps)
        w -= t
