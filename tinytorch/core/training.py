"""Losses, accuracy, and the loop that trains a network."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tinytorch.core.activations import sigmoid
from tinytorch.core.dataloader import DataLoader
from tinytorch.core.layers import Layer
from tinytorch.core.optimizers import Optimizer
from tinytorch.core.tensor import Tensor, as_tensor, no_grad, result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from tinytorch.core.tensor import Array

    Data: TypeAlias = DataLoader | tuple[ArrayLike, ...] | list[ArrayLike]


class CrossEntropyLoss:
    """Softmax and cross-entropy in one, averaged over the batch: -mean(log softmax(logits)[label]).

    logits: (batch, classes), so the network must not end in a Softmax.
    labels: class indices (batch,), integers or whole floats; or a row of probabilities for each
    example (batch, classes), such as one-hot.
    """

    def __call__(self, logits: ArrayLike | Tensor, labels: ArrayLike) -> Tensor:
        """The loss, a scalar. Raises ValueError where the labels do not fit the logits."""
        z, y = as_tensor(logits), np.asarray(labels)
        if z.ndim != 2 or z.size == 0:
            raise ValueError(f"logits must have the shape (batch, classes); got {z.shape}")
        log_p = z.data - z.data.max(axis=1, keepdims=True)
        log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
        if y.shape == z.shape:
            return _cross_entropy_of_rows(z, log_p, y)
        batch = len(y) if y.ndim else 0
        label = np.arange(batch), class_indices(y, z.shape)

        def backward(g: Array) -> Array:
            gradient: Array = np.exp(log_p)
            gradient[label] -= 1
            gradient *= g / batch
            return gradient  # (softmax - one_hot) / batch

        return result(-log_p[label].sum() / np.float32(batch), (z, backward))


def _cross_entropy_of_rows(z: Tensor, log_p: Array, labels: NDArray[Any]) -> Tensor:
    y: Array = labels.astype(np.float32)
    if not (y.min() >= 0 and np.allclose(y.sum(axis=1), 1, atol=1e-3)):
        raise ValueError("rows of labels must be one-hot or probabilities: none below 0, sum 1")
    loss = np.asarray(-(y * log_p).sum() / np.float32(len(y)))
    return result(loss, (z, lambda g: (np.exp(log_p) - y) * (g / len(y))))


def class_indices(labels: NDArray[Any], outputs: tuple[int, ...]) -> NDArray[np.integer[Any]]:
    """The labels as integers. Raises ValueError unless they are class indices for outputs of the
    shape (batch, classes): one for each example, whole, from 0 to classes - 1."""
    batch, classes = outputs
    if labels.shape != (batch,):
        raise ValueError(
            f"outputs {outputs} need class indices of the shape ({batch},) or one-hot labels of "
            f"the shape {outputs}; got labels of the shape {labels.shape}"
        )
    lowest, highest = labels.min(), labels.max()
    if not (lowest >= 0 and highest < classes):
        raise ValueError(
            f"class indices must be from 0 to {classes - 1}; got values from {lowest} to {highest}"
        )
    if labels.dtype.kind in "iu":
        return labels
    indices: NDArray[np.int64] = labels.astype(np.int64)
    if labels.dtype.kind not in "bf" or (indices != labels).any():
        raise ValueError(f"class indices must be whole numbers; got {labels.dtype} values")
    return indices


class MeanSquaredError:
    """mean((predictions - targets)^2) over all elements; both of the same shape."""

    def __call__(self, predictions: ArrayLike | Tensor, targets: ArrayLike | Tensor) -> Tensor:
        """The loss, a scalar. Raises ValueError where the shapes differ or there is no element."""
        y, t = as_tensor(predictions), as_tensor(targets)
        _check_same_shape(y, t)
        difference = y - t
        return (difference * difference).mean()


class BinaryCrossEntropyLoss:
    """Sigmoid and binary cross-entropy in one, averaged over all elements:
    -mean(t * log sigmoid(z) + (1 - t) * log(1 - sigmoid(z))).

    logits z: any shape, so the network must not end in a Sigmoid. targets t: same shape, in [0, 1].
    """

    def __call__(self, logits: ArrayLike | Tensor, targets: ArrayLike | Tensor) -> Tensor:
        """The loss, a scalar. Raises ValueError where the targets do not fit the logits."""
        z, t = as_tensor(logits), as_tensor(targets)
        _check_same_shape(z, t)
        if not (t.data.min() >= 0 and t.data.max() <= 1):
            raise ValueError(
                f"targets must be in [0, 1]; got values from {t.data.min()} to {t.data.max()}"
            )
        # the same, written so that exp cannot overflow and log never gets 0
        softplus = np.maximum(z.data, 0) + np.log1p(np.exp(-np.abs(z.data)))
        loss = (softplus - z.data * t.data).mean()
        return result(loss, (z, lambda g: (sigmoid(z.data) - t.data) * (g / z.size)))


def _check_same_shape(predictions: Tensor, targets: Tensor) -> None:
    if predictions.shape != targets.shape or predictions.size == 0:
        raise ValueError(
            f"predictions and targets must have the same shape and at least one element; "
            f"got {predictions.shape} and {targets.shape}"
        )


class Accuracy:
    """The fraction of examples whose class is predicted right.

    outputs: (batch, classes), the largest decides; or (batch,) or (batch, 1), logits of class 1
    against class 0. labels: class indices, or with (batch, classes) also one-hot.
    """

    def __call__(self, outputs: ArrayLike | Tensor, labels: ArrayLike) -> float:
        """Raises ValueError where the labels do not fit the outputs."""
        z, y = np.asarray(outputs), np.asarray(labels)
        if z.ndim not in {1, 2} or z.size == 0:
            raise ValueError(f"outputs must have the shape (batch, classes); got {z.shape}")
        if z.ndim == 1 or z.shape[1] == 1:
            predicted = (z.reshape(-1) > 0).astype(np.int64)
            return float((predicted == class_indices(y.reshape(-1), (len(z), 2))).mean())
        truth = y.argmax(axis=1) if y.shape == z.shape else class_indices(y, z.shape)
        return float((z.argmax(axis=1) == truth).mean())


class Trainer:
    """Trains a network: `Trainer(model, optimizer, loss).fit((inputs, labels), epochs=20)`.

    loss: one of the losses above, or any callable `loss(outputs, *targets)` that gives a scalar
    Tensor, or any that gives a number and has a method `gradient(outputs, *targets)`: the
    derivative of the number by the outputs, an array of their shape. So a loss written in plain
    NumPy trains a network too; it is given plain arrays.
    metric: `metric(outputs, last_target) -> float`, reported beside the loss under its name; by
    default `Accuracy()` with the two cross-entropy losses, none with other losses.
    """

    def __init__(
        self,
        model: Layer,
        optimizer: Optimizer,
        loss: Callable[..., Any],
        metric: Callable[[Any, Any], float] | None = None,
    ) -> None:
        if metric is None and isinstance(loss, CrossEntropyLoss | BinaryCrossEntropyLoss):
            metric = Accuracy()
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.metric = metric

    def fit(
        self,
        data: Data,
        epochs: int = 10,
        *,
        validation_data: Data | None = None,
        batch_size: int = 32,
        seed: int | np.random.Generator | None = None,
        after_step: Callable[[], object] | None = None,
        verbose: bool = True,
    ) -> dict[str, list[float]]:
        """Train by backpropagation, `epochs` times through the data; returns the history.

        data: arrays `(inputs, *targets)`, shuffled with `seed` into batches of `batch_size`; or a
        DataLoader, which has its own. A model, an order and an optimizer from the same seeds give
        the same weights to the bit.
        validation_data: arrays or a DataLoader to evaluate after each epoch.
        after_step: called after each change of the weights, to hold pruned ones at 0 for example.
        verbose: show progress on standard output.

        history: a list with one value per epoch for `loss` (the mean over the epoch's batches, as
        they were trained) and, with validation data, for `val_loss` and `val_` with the metric.

        Raises ValueError, before anything is trained, where the data does not fit the model or the
        loss; FloatingPointError where the loss of an epoch is not finite.
        """
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1; got {epochs}")
        train = self._checked("data", data, batch_size, seed)
        validate = None
        if validation_data is not None:
            validate = self._checked("validation_data", validation_data, batch_size)
        progress = _Progress(epochs, len(train)) if verbose else None
        history: dict[str, list[float]] = {}
        for epoch in range(1, epochs + 1):
            total = 0.0
            for inputs, *targets in train:
                total += len(inputs) * self._step(inputs, targets)
                if after_step is not None:
                    after_step()
                if progress is not None:
                    progress.step()
            scores = {"loss": total / len(train.arrays[0])}
            if not np.isfinite(scores["loss"]):
                raise FloatingPointError(
                    f"the loss became {scores['loss']} in epoch {epoch}: training diverged; "
                    "make the model anew and try a smaller learning_rate"
                )
            if validate is not None:
                evaluated = self.evaluate(*validate.arrays)
                scores |= {f"val_{name}": score for name, score in evaluated.items()}
            for name, score in scores.items():
                history.setdefault(name, []).append(score)
            if progress is not None:
                progress.epoch_done(scores)
        return history

    def evaluate(self, inputs: ArrayLike, *targets: ArrayLike) -> dict[str, float]:
        """The `loss` and the metric, such as `accuracy`, over all given examples."""
        outputs = self.predict(inputs)
        with no_grad():
            loss = self.loss(outputs, *targets)
        scores = {"loss": loss.item() if isinstance(loss, Tensor) else float(loss)}
        if self.metric is not None:
            name = getattr(self.metric, "__name__", type(self.metric).__name__.lower())
            scores[name] = self.metric(outputs, targets[-1])
        return scores

    def predict(self, inputs: ArrayLike) -> Array:
        """The network's outputs for all inputs, an array; the classes are its `argmax(axis=1)`."""
        with no_grad():
            return self.model(inputs).data

    def _step(self, inputs: NDArray[Any], targets: list[NDArray[Any]]) -> float:
        """One step down the gradient of one batch; returns the batch's loss before it."""
        outputs = self.model(inputs)
        self.optimizer.zero_grad()
        gradient = getattr(self.loss, "gradient", None)
        if gradient is None:
            loss = self.loss(outputs, *targets)
            loss.backward()
            value = loss.item()
        else:
            value = self.loss(outputs.data, *targets)
            outputs.backward(gradient(outputs.data, *targets))
        self.optimizer.step()
        return float(value)

    def _checked(
        self,
        name: str,
        data: Data,
        batch_size: int,
        seed: int | np.random.Generator | None = None,
    ) -> DataLoader:
        """The data as a DataLoader, once one example went through the model and all targets through
        the loss, with outputs of 0: bad shapes and labels are found before any weight changes."""
        try:
            if not isinstance(data, DataLoader | tuple | list):
                raise ValueError(f"give (inputs, targets) or a DataLoader; got {type(data)}")
            if not isinstance(data, DataLoader):
                data = DataLoader(*data, batch_size=batch_size, seed=seed)
            inputs, *targets = data.arrays
            if not targets:
                raise ValueError("there are inputs but no targets; give (inputs, targets)")
            if not np.isfinite(as_tensor(inputs).data).all():
                raise ValueError("some inputs are not finite numbers (NaN or infinite)")
            outputs = self.predict(inputs[:1])
            self.loss(np.zeros((len(inputs), *outputs.shape[1:]), dtype=np.float32), *targets)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        return data


class _Progress:
    """Shows how far training is: one line, rewritten at most ten times a second in a terminal or a
    notebook; elsewhere, as in a file, a line for each epoch."""

    def __init__(self, epochs: int, batches: int) -> None:
        self._epochs, self._batches = epochs, batches
        self._steps = 0
        self._scores = ""
        self._start = self._shown = time.perf_counter()
        self._live = sys.stdout.isatty() or "ipykernel" in sys.modules

    def step(self) -> None:
        self._steps += 1
        if self._live and time.perf_counter() - self._shown > 0.1:
            self._show()

    def epoch_done(self, scores: dict[str, float]) -> None:
        self._scores = "".join(f"  {name} {score:.4f}" for name, score in scores.items())
        last = self._steps == self._epochs * self._batches
        if last or not self._live:
            self._show(end="\n")

    def _show(self, end: str = "") -> None:
        self._shown = time.perf_counter()
        seconds = self._shown - self._start
        done = self._steps / (self._epochs * self._batches)
        epoch = math.ceil(self._steps / self._batches)
        left = (
            f"{done:.0%}, {seconds / done - seconds:.0f} s left" if done < 1 else f"{seconds:.1f} s"
        )
        line = f"epoch {epoch}/{self._epochs}{self._scores}  {left}"
        sys.stdout.write((f"\r{line:<79}" if self._live else line) + end)
        sys.stdout.flush()
