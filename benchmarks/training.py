"""One epoch on the digits, against a lean loop written by hand in NumPy, and against PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Figure, Task, measure, ratio
from benchmarks.peers import NO_TORCH, torch
from tinytorch.core.networks import Sequential, create_mlp
from tinytorch.core.optimizers import SGD, Adam, Optimizer
from tinytorch.core.training import CrossEntropyLoss, Trainer
from tinytorch.datasets import load_digits

Array: TypeAlias = NDArray[np.float32]
X, Y = load_digits()[:2]
RATES = {"SGD": 0.1, "Adam": 0.001}
MOMENTUM = 0.9


def figures(quick: bool) -> Iterator[Figure]:
    """Yield the figures of `Trainer.fit` over one epoch of 64-128-64-10."""
    for optimizer in RATES:
        for batch_size in (32, 128):
            tasks = {
                "tinytorch": _tinytorch(optimizer, batch_size),
                "numpy": _numpy(optimizer, batch_size),
            }
            trained = [task.run(task.prepare()) for task in tasks.values()]
            for ours, theirs in zip(*trained, strict=True):
                assert np.allclose(ours, theirs, atol=1e-4), "the two must train alike"
            if torch is not None:
                tasks["torch"] = _torch(optimizer, batch_size)
            times = measure(tasks, quick)
            name = f"digits epoch, {optimizer}, batch {batch_size}"
            yield Figure(f"{name}: lean NumPy loops", ratio(times, "tinytorch", "numpy"), at_most=2)
            yield Figure(
                f"{name}: faster than PyTorch",
                ratio(times, "torch", "tinytorch"),
                at_least=1,
                note=NO_TORCH,
            )


def network() -> Sequential:
    """Return the same new network each time."""
    return create_mlp(64, [128, 64], 10, rng=1)


def order() -> NDArray[np.int64]:
    """Return the same order of the examples each time: the one of `DataLoader(seed=2)`."""
    return np.random.default_rng(2).permutation(len(X))


def _tinytorch(optimizer: str, batch_size: int) -> Task:
    def prepare() -> tuple[Sequential, Trainer]:
        model, rate = network(), RATES[optimizer]
        made: Optimizer = Adam(model.parameters(), rate)
        if optimizer == "SGD":
            made = SGD(model.parameters(), rate, momentum=MOMENTUM)
        return model, Trainer(model, made, CrossEntropyLoss())

    def run(prepared: tuple[Sequential, Trainer]) -> list[Array]:
        model, trainer = prepared
        trainer.fit((X, Y), epochs=1, batch_size=batch_size, seed=2, verbose=False)
        return [parameter.data for parameter in model.parameters()]

    return Task(run, prepare)


def _numpy(optimizer: str, batch_size: int) -> Task:
    step = _sgd_step if optimizer == "SGD" else _adam_step

    def prepare() -> list[Array]:
        return [parameter.data for parameter in network().parameters()]

    def run(parameters: list[Array]) -> list[Array]:
        moments = [(np.zeros_like(w), np.zeros_like(w)) for w in parameters]
        shuffled = order()
        for t, start in enumerate(range(0, len(X), batch_size), start=1):
            batch = shuffled[start : start + batch_size]
            gradients = _gradients(parameters, X[batch], Y[batch])
            for w, g, (m, v) in zip(parameters, gradients, moments, strict=True):
                step(w, g, m, v, t)
        return parameters

    return Task(run, prepare)


def _gradients(parameters: list[Array], x: Array, y: NDArray[np.int64]) -> list[Array]:
    """Forward and backward through 64-128-64-10 with softmax and cross-entropy."""
    w1, b1, w2, b2, w3, b3 = parameters
    h1 = x @ w1
    h1 += b1
    np.maximum(h1, 0, out=h1)
    h2 = h1 @ w2
    h2 += b2
    np.maximum(h2, 0, out=h2)
    d3 = h2 @ w3
    d3 += b3
    d3 -= d3.max(axis=1, keepdims=True)
    np.exp(d3, out=d3)
    d3 /= d3.sum(axis=1, keepdims=True)
    d3[np.arange(len(y)), y] -= 1
    d3 /= len(y)
    d2 = d3 @ w3.T
    d2 *= h2 > 0
    d1 = d2 @ w2.T
    d1 *= h1 > 0
    return [x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ d3, d3.sum(0)]


def _sgd_step(w: Array, g: Array, m: Array, v: Array, t: int) -> None:
    m *= MOMENTUM
    m += g
    w -= RATES["SGD"] * m


def _adam_step(w: Array, g: Array, m: Array, v: Array, t: int) -> None:
    m *= 0.9
    m += 0.1 * g
    v *= 0.999
    g *= g
    g *= 0.001
    v += g
    root = np.sqrt(v / (1 - 0.999**t))
    root += 1e-8
    w -= RATES["Adam"] / (1 - 0.9**t) * m / root


def _torch(optimizer: str, batch_size: int) -> Task:
    assert torch is not None
    nn, optim, x, y = torch.nn, torch.optim, torch.from_numpy(X), torch.from_numpy(Y)

    def prepare() -> tuple[Any, Any]:
        layers = [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)]
        model, rate = nn.Sequential(*layers), RATES[optimizer]
        if optimizer == "SGD":
            return model, optim.SGD(model.parameters(), rate, momentum=MOMENTUM)
        return model, optim.Adam(model.parameters(), rate)

    def run(prepared: tuple[Any, Any]) -> object:
        model, made = prepared
        for batch in torch.from_numpy(order()).split(batch_size):
            made.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            made.step()
        return model

    return Task(run, prepare)
