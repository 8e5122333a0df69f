"""Optimizers: how a step down the gradient is taken.

Every update is computed in place in arrays made once, as a new array per step would cost more than
the arithmetic. The formula stands beside its code.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinytorch.core.tensor import Tensor


class Optimizer:
    """What all optimizers share: the parameters, the learning rate, and forgetting gradients."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("there is nothing to train: the list of parameters is empty")
        if not 0 < learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be positive and finite; got {learning_rate}")
        self.learning_rate = learning_rate

    def zero_grad(self) -> None:
        """Forget the gradients: `backward` adds to those that are there."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        raise NotImplementedError(f"{type(self).__name__} must define step()")


class SGD(Optimizer):
    """Stochastic gradient descent with momentum and weight decay (L2), as in PyTorch.

    g = gradient + weight_decay * w;  v = momentum * v + g;  w = w - learning_rate * v
    """

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
            raise ValueError(f"weight_decay must not be negative; got {weight_decay}")
        self.momentum = momentum
        self.weight_decay = weight_decay
        self._velocity = [np.zeros_like(p.data) for p in self.parameters]
        self._scratch = [np.empty_like(p.data) for p in self.parameters]

    def step(self) -> None:
        for p, v, t in zip(self.parameters, self._velocity, self._scratch, strict=True):
            g = p.grad
            if g is None:
                continue
            if self.weight_decay:
                np.multiply(p.data, self.weight_decay, out=t)
                g = np.add(t, g, out=t)  # g = gradient + weight_decay * w
            if self.momentum:
                v *= self.momentum
                v += g  # v = momentum * v + g
                g = v
            np.multiply(g, self.learning_rate, out=t)
            p.data -= t  # w = w - learning_rate * v


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1).

    m = b1 * m + (1 - b1) * g;  v = b2 * v + (1 - b2) * g^2
    w = w - learning_rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
    """

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
        self.betas = betas
        self.epsilon = epsilon
        self.steps = 0
        self._mean = [np.zeros_like(p.data) for p in self.parameters]
        self._square = [np.zeros_like(p.data) for p in self.parameters]
        self._scratch = [np.empty_like(p.data) for p in self.parameters]

    def step(self) -> None:
        self.steps += 1
        b1, b2 = self.betas
        step_size = self.learning_rate / (1 - b1**self.steps)
        correction = 1 - b2**self.steps
        buffers = zip(self.parameters, self._mean, self._square, self._scratch, strict=True)
        for p, m, v, t in buffers:
            g = p.grad
            if g is None:
                continue
            m *= b1
            m += np.multiply(g, 1 - b1, out=t)  # m = b1 * m + (1 - b1) * g
            v *= b2
            np.multiply(g, g, out=t)
            t *= 1 - b2
            v += t  # v = b2 * v + (1 - b2) * g^2
            np.divide(v, correction, out=t)
            np.sqrt(t, out=t)
            t += self.epsilon  # t = sqrt(v / (1 - b2^t)) + epsilon
            np.divide(m, t, out=t)
            t *= step_size
            p.data -= t  # w = w - learning_rate * (m / (1 - b1^t)) / t
