import hashlib
from pathlib import Path

import numpy as np
import pytest

import tinytorch.datasets
from tinytorch.datasets import load_digits

FOLDER = Path(tinytorch.datasets.__file__).parent
CHECKSUM = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
FIRST_LABELS = [3, 4, 6, 8, 0, 8, 5, 5, 3, 5, 1, 2, 2, 4, 9, 2, 7, 3, 1, 4]


def test_shapes_types_and_range():
    digits = load_digits()
    x_train, y_train, x_test, y_test = digits
    assert (x_train.shape, y_train.shape) == ((1437, 64), (1437,))
    assert (x_test.shape, y_test.shape) == ((360, 64), (360,))
    assert x_train.dtype == x_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int64
    assert (x_train.min(), x_train.max()) == (0, 1)
    assert digits.x_test is x_test


def test_the_images_are_the_published_ones():
    """The checksum is of the 1,797 images and labels as scikit-learn's load_digits gives them."""
    with np.load(FOLDER / "digits.npz", allow_pickle=False) as file:
        images, labels = file["images"], file["labels"]
    assert images.shape == (1797, 8, 8)
    assert images.dtype == labels.dtype == np.uint8
    assert hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest() == CHECKSUM


@pytest.mark.parametrize("split", range(5))
def test_every_split_holds_every_image_once_and_is_stratified(split):
    x_train, y_train, x_test, y_test = load_digits(split)
    with np.load(FOLDER / "digits.npz") as file:
        images, labels = file["images"].reshape(-1, 64), file["labels"]
    together = np.column_stack([np.vstack([x_train, x_test]) * 16, np.hstack([y_train, y_test])])
    original = np.column_stack([images, labels])
    np.testing.assert_array_equal(np.unique(together, axis=0), np.unique(original, axis=0))
    assert len(together) == len(original)
    assert np.abs(np.bincount(y_test) - np.bincount(labels) / 5).max() < 1


def test_splits_are_fixed_and_differ():
    first, again, other = load_digits(0), load_digits(0), load_digits(1)
    assert all(map(np.array_equal, first, again))
    assert not np.array_equal(first.x_test, other.x_test)
    # the first split, held to what it was when figures were measured with it
    assert first.y_test[:20].tolist() == FIRST_LABELS


def test_arrays_are_writable_and_not_shared():
    digits = load_digits()
    digits.x_train[...] = 0
    assert load_digits().x_train.max() == 1


@pytest.mark.parametrize("split", [-1, 0.5, "0", True, None])
def test_a_split_that_does_not_exist(split):
    with pytest.raises(ValueError, match="split must be an integer, 0 or more"):
        load_digits(split)


def test_licence_and_source_are_with_the_data():
    text = (FOLDER / "LICENSE-digits.txt").read_text()
    for part in ("Optical Recognition of Handwritten Digits", "CC BY 4.0", "10.24432/C50P49"):
        assert part in text
        assert part in load_digits.__doc__
    assert (FOLDER / "digits.npz").stat().st_size < 100_000
