"""`Tensor`: a float32 array that knows how it was computed, so that gradients can flow back.

Reverse-mode automatic differentiation. Every operation records its inputs, each with one function
that turns the gradient by the result into the gradient by that input (the chain rule, one step).
`backward` walks these records from the result to the leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array: TypeAlias = NDArray[np.float32]
    Input: TypeAlias = tuple["Tensor", Callable[[Array], NDArray[Any]]]
    Axis: TypeAlias = int | tuple[int, ...] | None

_recording = ContextVar("recording", default=True)


@contextmanager
def no_grad() -> Iterator[None]:
    """Within this context no operation is recorded: the same results, less time and memory."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


class Tensor:
    """An array of float32 with automatic gradients.

    data: anything NumPy can make an array of; it is copied and converted to float32.
    requires_grad: whether `backward` computes the gradient by this tensor (a leaf: a parameter).

    `.data` is a writable float32 array, `.grad` None or an array of the same shape: the gradients
    of all `backward` calls since it was None, summed. Do not change `.data` in place between a
    computation and its `backward`.
    """

    __slots__ = ("__weakref__", "_data", "_inputs", "grad", "requires_grad")
    __array_priority__ = 1000  # array * tensor is left to Tensor.__rmul__

    def __init__(self, data: ArrayLike | Tensor, requires_grad: bool = False) -> None:
        self._data: Array = np.array(data, dtype=np.float32)
        self._inputs: tuple[Input, ...] = ()
        self.grad: Array | None = None
        self.requires_grad = requires_grad

    # --- the array -------------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The values. Assigning copies them into a new float32 array; a parameter (a tensor that
        requires a gradient) keeps its shape: another one raises ValueError."""
        return self._data

    @data.setter
    def data(self, values: ArrayLike | Tensor) -> None:
        if values is self._data:  # t.data *= mask has already written in place
            return
        array: Array = np.array(values, dtype=np.float32)
        if self.requires_grad and array.shape != self._data.shape:
            raise ValueError(
                f"this parameter has shape {self._data.shape}, the new values {array.shape}; "
                "to change the shape, make a new layer"
            )
        self._data = array

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def dtype(self) -> np.dtype[np.float32]:
        return self._data.dtype

    def numpy(self) -> Array:
        """The values as an array: `.data` itself, not a copy."""
        return self._data

    def item(self) -> float:
        """The value of a tensor with exactly one element."""
        if self._data.size != 1:
            raise ValueError(f"item() needs exactly one element; this tensor has {self._data.size}")
        return float(self._data.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self._data, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self._data)

    def __eq__(self, other: Any) -> Any:
        """Elementwise, an array: `weights == 0` must not quietly be False. Never equal to None."""
        return False if other is None else self._data == as_tensor(other)._data

    def __ne__(self, other: Any) -> Any:
        return True if other is None else self._data != as_tensor(other)._data

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        grad = ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({np.array2string(self._data, precision=4, separator=', ')}{grad})"

    # --- arithmetic ------------------------------------------------------------------------------

    def __add__(self, other: ArrayLike | Tensor) -> Tensor:
        b = as_tensor(other)
        return result(self._data + b._data, (self, lambda g: g), (b, lambda g: g))

    def __mul__(self, other: ArrayLike | Tensor) -> Tensor:
        a, b = self, as_tensor(other)
        return result(a._data * b._data, (a, lambda g: g * b._data), (b, lambda g: g * a._data))

    def __truediv__(self, other: ArrayLike | Tensor) -> Tensor:
        a, b = self, as_tensor(other)
        return result(
            a._data / b._data,
            (a, lambda g: g / b._data),
            (b, lambda g: -g * a._data / (b._data * b._data)),
        )

    def __pow__(self, other: ArrayLike | Tensor) -> Tensor:
        a, b = self, as_tensor(other)
        power = a._data**b._data
        return result(
            power,
            # b * a**(b - 1); for b = 0 the factor a instead of 1/a, since 0 * (1/0) is not 0
            (a, lambda g: g * b._data * a._data ** np.where(b._data == 0, 1, b._data - 1)),
            (b, lambda g: g * power * np.log(a._data)),
        )

    def __matmul__(self, other: ArrayLike | Tensor) -> Tensor:
        a, b = self, as_tensor(other)
        if b.ndim == 1:  # a vector on the right is one column
            product = a @ b.reshape(-1, 1)
            return product.reshape(product.shape[:-1])
        if a.ndim == 1:  # a vector on the left is one row
            product = a.reshape(1, -1) @ b
            return product.reshape(product.shape[:-2] + product.shape[-1:])
        return result(
            a._data @ b._data,
            (a, lambda g: g @ b._data.swapaxes(-1, -2)),
            (b, lambda g: a._data.swapaxes(-1, -2) @ g),
        )

    def __neg__(self) -> Tensor:
        return result(-self._data, (self, lambda g: -g))

    def __sub__(self, other: ArrayLike | Tensor) -> Tensor:
        return self + -as_tensor(other)

    def __radd__(self, other: ArrayLike) -> Tensor:
        return self + other

    def __rsub__(self, other: ArrayLike) -> Tensor:
        return as_tensor(other) - self

    def __rmul__(self, other: ArrayLike) -> Tensor:
        return self * other

    def __rtruediv__(self, other: ArrayLike) -> Tensor:
        return as_tensor(other) / self

    def __rpow__(self, other: ArrayLike) -> Tensor:
        return as_tensor(other) ** self

    def __rmatmul__(self, other: ArrayLike) -> Tensor:
        return as_tensor(other) @ self

    # --- elementwise functions and reductions ----------------------------------------------------

    def exp(self) -> Tensor:
        y = np.exp(self._data)
        return result(y, (self, lambda g: g * y))

    def log(self) -> Tensor:
        return result(np.log(self._data), (self, lambda g: g / self._data))

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        def backward(g: Array) -> Array:
            return np.broadcast_to(_restore_axes(g, self._data, axis, keepdims), self.shape)

        data: Any = self._data  # NumPy's types take no keepdims but a literal
        return result(data.sum(axis=axis, keepdims=keepdims), (self, backward))

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        total = self.sum(axis, keepdims)
        return total / (self.size / total.size)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """The largest values; where several are equally large, they share the gradient evenly."""
        data: Any = self._data  # as in sum
        y = data.max(axis=axis, keepdims=keepdims)

        def backward(g: Array) -> Array:
            largest = self._data == _restore_axes(y, self._data, axis, keepdims)
            shares: Array = largest / largest.sum(axis=axis, keepdims=True, dtype=np.float32)
            return shares * _restore_axes(g, self._data, axis, keepdims)

        return result(y, (self, backward))

    # --- shape -----------------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Tensor:
        """The same values in another shape: `reshape(2, 3)` or `reshape((2, 3))`."""
        return result(self._data.reshape(*shape), (self, lambda g: g.reshape(self.shape)))

    def transpose(self, *axes: int) -> Tensor:
        """The axes in another order: reversed, or as given."""
        order = axes or tuple(reversed(range(self.ndim)))
        back = np.argsort([axis % self.ndim for axis in order])
        return result(self._data.transpose(order), (self, lambda g: g.transpose(back)))

    @property
    def T(self) -> Tensor:  # noqa: N802 - NumPy's name
        return self.transpose()

    def __getitem__(self, index: Any) -> Tensor:
        def backward(g: Array) -> Array:
            gradient = np.zeros_like(self._data)
            np.add.at(gradient, index, g)  # an element picked twice receives both gradients
            return gradient

        return result(self._data[index], (self, backward))

    # --- gradients -------------------------------------------------------------------------------

    def backward(self, gradient: ArrayLike | Tensor | None = None) -> None:
        """Add the gradient by every leaf that this tensor was computed from to the leaf's `.grad`.

        gradient: the derivative of the final value by this tensor, same shape. It may be left out
        for a tensor of one element (1 is meant: this tensor is the final value). Giving it allows
        a loss computed elsewhere: `logits.backward(loss_gradient)`.

        Raises ValueError where the gradient is missing or its shape differs, or where nothing that
        this tensor was computed from requires a gradient.
        """
        if not self.requires_grad:
            raise ValueError(
                "nothing here requires a gradient: the tensor was computed within no_grad(), or "
                "from tensors without requires_grad=True"
            )
        if gradient is None:
            if self.size != 1:
                raise ValueError(
                    f"this tensor has shape {self.shape}: call backward() on a scalar loss, or "
                    "give the gradient by this tensor, backward(gradient)"
                )
            gradient = np.ones(self.shape)
        upstream: Array = np.asarray(gradient, dtype=np.float32)
        if upstream.shape != self.shape:
            raise ValueError(
                f"the gradient has shape {upstream.shape}, the tensor {self.shape}; they must match"
            )
        gradients = {self: upstream}
        for tensor in _topological_order(self):
            g = gradients.pop(tensor)
            if not tensor._inputs:  # a leaf; copied, since inputs of a sum share one array
                tensor.grad = g.copy() if tensor.grad is None else tensor.grad + g
            for source, step in tensor._inputs:
                part = _sum_to_shape(step(g), source._data.shape)
                known = gradients.get(source)
                gradients[source] = part if known is None else known + part


def as_tensor(value: ArrayLike | Tensor) -> Tensor:
    """The value itself if it is a tensor; else a tensor of it, sharing memory where it is a float32
    array already."""
    if isinstance(value, Tensor):
        return value
    return result(np.asarray(value, dtype=np.float32))


def result(data: Array, *inputs: Input) -> Tensor:
    """A tensor that an operation computed: `data` with the operation's inputs.

    Each input is a pair (tensor, step); `step(g)` is the gradient by that tensor where `g` is the
    gradient by the result. Broadcasting is undone by `backward`. New operations are made with it.
    """
    tensor = Tensor.__new__(Tensor)
    tensor._data = data if isinstance(data, np.ndarray) else np.asarray(data)
    tensor._inputs = ()
    tensor.grad = None
    if _recording.get():
        tensor._inputs = tuple([pair for pair in inputs if pair[0].requires_grad])
    tensor.requires_grad = bool(tensor._inputs)
    return tensor


def _topological_order(root: Tensor) -> list[Tensor]:
    """The tensors `root` was computed from, each before all of its inputs."""
    order: list[Tensor] = []
    seen = {root}
    stack = [(root, iter(root._inputs))]
    while stack:  # depth first, without recursion: a long computation must not exhaust the stack
        tensor, inputs = stack[-1]
        for source, _ in inputs:
            if source not in seen:
                seen.add(source)
                stack.append((source, iter(source._inputs)))
                break
        else:
            order.append(tensor)
            stack.pop()
    order.reverse()
    return order


def _sum_to_shape(g: Array, shape: tuple[int, ...]) -> Array:
    """Undo broadcasting: an element used many times receives the sum of its gradients."""
    if g.shape == shape:
        return g
    added = g.ndim - len(shape)
    stretched = (added + axis for axis, n in enumerate(shape) if n == 1)
    summed: Array = g.sum(axis=(*range(added), *stretched))
    return summed.reshape(shape)


def _restore_axes(reduced: Array, full: Array, axis: Axis, keepdims: bool) -> Array:
    """`reduced`, a reduction of `full`, with its reduced axes back as axes of length 1."""
    if axis is None:
        return np.reshape(reduced, (1,) * full.ndim)
    return reduced if keepdims else np.expand_dims(reduced, axis)
