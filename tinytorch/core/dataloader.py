"""Batches of data, in an order that a seed repeats."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class DataLoader:
    """Goes through arrays of equal length in batches: `for x, y in DataLoader(inputs, labels)`.

    arrays: one or more, the first axis counts the examples; batches are tuples of arrays.
    batch_size: examples in a batch; the last batch of an epoch may be smaller.
    shuffle: a new random order in every epoch. With a `seed` (an integer or a Generator) the same
    orders come again in a new loader of the same seed.
    """

    def __init__(
        self,
        *arrays: ArrayLike,
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        self.arrays: tuple[NDArray[Any], ...] = tuple(np.asarray(array) for array in arrays)
        if any(array.ndim == 0 for array in self.arrays):
            raise ValueError("data must be arrays of examples; give batch_size and seed by name")
        lengths = [len(array) for array in self.arrays]
        if not any(lengths):
            raise ValueError("there is no data: at least one example is needed")
        if len(set(lengths)) > 1:
            raise ValueError(f"the arrays differ in their number of examples: {lengths}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; got {batch_size}")
        self.batch_size = batch_size
        self.shuffle = shuffle
        self._examples = lengths[0]
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return math.ceil(self._examples / self.batch_size)

    def __iter__(self) -> Iterator[tuple[NDArray[Any], ...]]:
        order = self._rng.permutation(self._examples) if self.shuffle else None
        for start in range(0, self._examples, self.batch_size):
            batch = slice(start, start + self.batch_size)
            chosen = batch if order is None else order[batch]
            yield tuple(array[chosen] for array in self.arrays)
