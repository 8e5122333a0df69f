"""Data that comes with the library: nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Digits(NamedTuple):
    """A split of the handwritten digits; unpacks into its four arrays.

    x_train: (1437, 64) and x_test: (360, 64), float32 in [0, 1], a row is an 8 x 8 image;
    y_train: (1437,) and y_test: (360,), int64, the digit 0..9.
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]


def load_digits(split: int = 0) -> Digits:
    """The UCI handwritten digits: 1,797 images of 8 x 8 pixels, 1,437 to train and 360 to test on.

    `x_train, y_train, x_test, y_test = load_digits()`

    split: which of the fixed random splits, drawn with the seed (1998, split); a single network is
    trained on 0, and a comparison averages over 0, 1, 2, ... Each is stratified: the test part
    holds a fifth of the images of every digit, give or take one image. Within the two parts the
    images keep their original order.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository, 1998, doi 10.24432/C50P49, CC BY 4.0; see LICENSE-digits.txt.
    """
    if isinstance(split, bool) or not isinstance(split, int | np.integer) or split < 0:
        raise ValueError(f"split must be an integer, 0 or more; got {split!r}")
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as file:
        images, labels = file["images"], file["labels"]
    x = images.reshape(len(images), -1).astype(np.float32) / np.float32(16)
    y = labels.astype(np.int64)
    test = np.zeros(len(y), dtype=bool)
    test[_stratified_sample(y, split)] = True
    return Digits(x[~test], y[~test], x[test], y[test])


def _stratified_sample(y: NDArray[np.int64], split: int) -> NDArray[np.intp]:
    """Indices of a random fifth of the examples (rounded up), every class in proportion: sorted by
    class, in random order within a class, every fifth is taken."""
    rng = np.random.default_rng([1998, split])
    shuffled_by_class = np.lexsort((rng.random(len(y)), y))
    return shuffled_by_class[::5]
