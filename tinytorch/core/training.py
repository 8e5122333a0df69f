"""Losses, accuracy, and the loop that trains a network."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tinytorch.core.dataloader import DataLoader
from tinytorch.core.layers import Layer
from tinytorch.core.optimizers import Optimizer
from tinytorch.core.tensor import Tensor, as_tensor, no_grad, result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Arrays: TypeAlias = tuple[ArrayLike, ...]


class CrossEntropyLoss:
    """Softmax and cross-entropy in one, averaged over the batch: -mean(log softmax(logits)[label]).

    Takes logits, so the network must not end in a Softmax. Labels are class indices (batch,),
    integers or whole numbers, or one row of probabilities for each example (batch, classes), such
    as one-hot.
    """

    def __call__(self, logits: ArrayLike | Tensor, labels: ArrayLike) -> Tensor:
        """The loss, a scalar tensor. Raises ValueError where labels do not fit the logits."""
        z = as_tensor(logits)
        target = np.asarray(labels)
        if z.ndim != 2 or z.size == 0:
            raise ValueError(f"logits must have shape (batch, classes); got {z.shape}")
        batch, classes = z.shape
        log_p = z.data - z.data.max(axis=1, keepdims=True)
        log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
        if target.shape == z.shape:
            y = np.asarray(target, dtype=np.float32)
            loss = -(y * log_p).sum() / np.float32(batch)
            return result(
                loss,
                (z, lambda g: (np.exp(log_p) * y.sum(1, keepdims=True) - y) * (g / batch)),
            )
        picked = np.arange(batch), class_indices(target, batch, classes)
        loss = -log_p[picked].sum() / np.float32(batch)

        def backward(g: NDArray[np.float32]) -> NDArray[np.float32]:
            gradient = np.exp(log_p)  # (softmax - one_hot) / batch
            gradient[picked] -= 1
            gradient *= g / batch
            return gradient

        return result(loss, (z, backward))


def class_indices(labels: NDArray[Any], batch: int, classes: int) -> NDArray[np.integer[Any]]:
    """Labels as integers in [0, classes), one for each example; ValueError where they are not."""
    if labels.shape != (batch,):
        raise ValueError(
            f"labels must be class indices of shape ({batch},) or one-hot of shape "
            f"({batch}, {classes}), as the outputs are ({batch}, {classes}); got {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        whole = labels.astype(np.int64)
        if labels.dtype.kind != "f" or not np.array_equal(whole, labels):
            raise ValueError(f"class indices must be whole numbers; got {labels.dtype}")
        labels = whole
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"class indices must be from 0 to {classes - 1}; "
            f"got values from {labels.min()} to {labels.max()}"
        )
    return labels


class MeanSquaredError:
    """mean((predictions - targets)^2) over all elements; both of the same shape."""

    def __call__(self, predictions: ArrayLike | Tensor, targets: ArrayLike | Tensor) -> Tensor:
        difference = _same_shape(as_tensor(predictions), as_tensor(targets))
        return (difference * difference).mean()


class BinaryCrossEntropyLoss:
    """Sigmoid and binary cross-entropy in one, averaged over all elements:
    -mean(y * log sigmoid(z) + (1 - y) * log(1 - sigmoid(z))).

    Takes logits z, so the network must not end in a Sigmoid; targets y in [0, 1], same shape.
    """

    def __call__(self, logits: ArrayLike | Tensor, targets: ArrayLike | Tensor) -> Tensor:
        z, target = as_tensor(logits), as_tensor(targets)
        _same_shape(z, target)
        y = target.data
        if not (y.min() >= 0 and y.max() <= 1):
            raise ValueError(f"targets must be in [0, 1]; got {y.min()} to {y.max()}")
        e = np.exp(-np.abs(z.data))
        # the formula above, written so that no exp overflows and no log gets 0
        loss = (np.maximum(z.data, 0) - z.data * y + np.log1p(e)).mean()
        sigmoid = np.where(z.data >= 0, 1, e) / (1 + e)
        return result(loss, (z, lambda g: (sigmoid - y) * (g / z.size)))


def _same_shape(predictions: Tensor, targets: Tensor) -> Tensor:
    if predictions.shape != targets.shape or predictions.size == 0:
        raise ValueError(
            f"predictions {predictions.shape} and targets {targets.shape} must have the same "
            "shape, with at least one element"
        )
    return predictions - targets


class Accuracy:
    """The fraction of examples whose class is predicted right.

    Outputs (batch, classes): the largest counts. Outputs (batch,) or (batch, 1): logits of class 1
    against class 0. Labels are class indices or, with (batch, classes), one-hot.
    """

    def __call__(self, outputs: ArrayLike | Tensor, labels: ArrayLike) -> float:
        z, target = np.asarray(outputs), np.asarray(labels)
        if z.size == 0 or z.ndim not in (1, 2):
            raise ValueError(f"outputs must have shape (batch, classes); got {z.shape}")
        if z.ndim == 1 or z.shape[1] == 1:
            predicted = z.reshape(-1) > 0
            truth = class_indices(target.reshape(-1), len(z), 2)
        else:
            predicted = z.argmax(axis=1)
            one_hot = target.shape == z.shape
            truth = target.argmax(axis=1) if one_hot else class_indices(target, *z.shape)
        return float((predicted == truth).mean())


class Trainer:
    """Trains a network: `Trainer(model, optimizer, loss).fit((inputs, labels), epochs=20)`.

    loss: called as `loss(outputs, *targets)`. Either it returns a scalar Tensor, like the losses of
    this module, or it returns a number and has `gradient(outputs, *targets)`, the derivative by the
    outputs, an array of their shape: so a loss written in plain NumPy trains a network too.
    metric: `metric(outputs, last_target) -> float`, reported beside the loss; by default
    `Accuracy()` with a cross-entropy loss, else nothing.
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
        data: DataLoader | Arrays,
        epochs: int = 10,
        *,
        validation_data: Arrays | None = None,
        batch_size: int = 32,
        seed: int | np.random.Generator | None = None,
        after_step: Callable[[], object] | None = None,
        verbose: bool = True,
    ) -> dict[str, list[float]]:
        """Train for `epochs` passes over the data by backpropagation.

        data: a DataLoader, or arrays `(inputs, *targets)`, from which one is made with `batch_size`
        and `seed`.
        """
        if epochs < 1:
            raise ValueError(f"epochs must be at least 1; got {epochs}")
        if not isinstance(data, DataLoader):
            data = DataLoader(*data, batch_size=batch_size, seed=seed)
        history: dict[str, list[float]] = {"loss": []}
        start = time.perf_counter()
        for epoch in range(1, epochs + 1):
            total = 0.0
            examples = 0
            for inputs, *targets in data:
                total += self._step(inputs, targets) * len(inputs)
                examples += len(inputs)
                if after_step is not None:
                    after_step()
            scores = {"loss": total / examples}
            if validation_data is not None:
                inputs, *targets = validation_data
                scores |= {f"val_{k}": v for k, v in self.evaluate(inputs, *targets).items()}
            for name, value in scores.items():
                history.setdefault(name, []).append(value)
            if verbose:
                shown = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
                seconds = time.perf_counter() - start
                sys.stdout.write(f"epoch {epoch}/{epochs}  {shown}  {seconds:.1f} s\n")
        return history

    def _step(self, inputs: ArrayLike, targets: list[Any]) -> float:
        """One step down the gradient on one batch; gives the batch's loss."""
        outputs = self.model(inputs)
        loss = self.loss(outputs, *targets)
        self.optimizer.zero_grad()
        if isinstance(loss, Tensor):
            loss.backward()
            value = loss.item()
        else:
            outputs.backward(self.loss.gradient(outputs, *targets))  # type: ignore[attr-defined]
            value = float(loss)
        self.optimizer.step()
        return value

    def evaluate(self, inputs: ArrayLike, *targets: ArrayLike) -> dict[str, float]:
        """The loss, and the metric if there is one, over all given examples."""
        outputs = self.predict(inputs)
        with no_grad():
            loss = self.loss(Tensor(outputs), *targets)
        scores = {"loss": loss.item() if isinstance(loss, Tensor) else float(loss)}
        if self.metric is not None:
            name = getattr(self.metric, "__name__", type(self.metric).__name__.lower())
            scores[name] = self.metric(outputs, targets[-1])
        return scores

    def predict(self, inputs: ArrayLike) -> NDArray[np.float32]:
        """The network's outputs for all inputs, as an array; nothing is recorded or trained."""
        with no_grad():
            return self.model(inputs).data
