import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core.tensor import Tensor
from tinytorch.core.training import (
    Accuracy,
    BinaryCrossEntropyLoss,
    CrossEntropyLoss,
    MeanSquaredError,
)

seeds = st.integers(0, 2**32 - 1)
batches = st.integers(1, 5)
classes = st.integers(1, 5)


def cross_entropy(z, rows):
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return -(rows * np.log(p)).sum(axis=1).mean()


@given(n=batches, c=classes, seed=seeds)
def test_cross_entropy_of_class_indices(check_gradients, n, c, seed):
    rng = np.random.default_rng(seed)
    z, labels = rng.normal(size=(n, c)), rng.integers(c, size=n)
    check_gradients(
        lambda t: CrossEntropyLoss()(t, labels), lambda a: cross_entropy(a, np.eye(c)[labels]), z
    )


@given(n=batches, c=classes, seed=seeds)
def test_cross_entropy_of_probabilities(check_gradients, n, c, seed):
    rng = np.random.default_rng(seed)
    z, rows = rng.normal(size=(n, c)), rng.dirichlet(np.ones(c), size=n)
    check_gradients(lambda t: CrossEntropyLoss()(t, rows), lambda a: cross_entropy(a, rows), z)


@given(n=batches, c=st.integers(2, 5), seed=seeds)
def test_labels_mean_the_same_as_integers_floats_and_one_hot(n, c, seed):
    rng = np.random.default_rng(seed)
    z, labels = rng.normal(size=(n, c)), rng.integers(c, size=n)
    forms = [labels, labels.astype(np.float32), labels.astype(np.uint8), list(labels)]
    forms += [np.eye(c)[labels], np.eye(c, dtype=int)[labels], Tensor(np.eye(c)[labels])]
    losses = [CrossEntropyLoss()(z, form).item() for form in forms]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-6)
    accuracies = [Accuracy()(z, form) for form in forms]
    assert accuracies == [(z.argmax(axis=1) == labels).mean()] * len(forms)


@given(shape=hnp.array_shapes(max_dims=3, max_side=4), seed=seeds)
def test_mean_squared_error(check_gradients, shape, seed):
    rng = np.random.default_rng(seed)
    y, t = rng.normal(size=shape), rng.normal(size=shape)
    check_gradients(MeanSquaredError(), lambda a, b: np.mean((a - b) ** 2), y, t)


@given(shape=hnp.array_shapes(max_dims=3, max_side=4), seed=seeds)
def test_binary_cross_entropy(check_gradients, shape, seed):
    rng = np.random.default_rng(seed)
    z, t = rng.normal(size=shape), rng.uniform(size=shape)

    def reference(a):
        p = 1 / (1 + np.exp(-a))
        return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))

    check_gradients(lambda x: BinaryCrossEntropyLoss()(x, t), reference, z)


@pytest.mark.parametrize(
    ("loss", "logits", "wrong", "right"),
    [
        (CrossEntropyLoss(), [[1e4, -1e4]], [1], [0]),
        (CrossEntropyLoss(), [[1e4, -1e4]], [[0, 1]], [[1, 0]]),
        (BinaryCrossEntropyLoss(), [1e4, -1e4], [0, 1], [1, 0]),
    ],
)
def test_huge_logits(loss, logits, wrong, right):
    scale = 2e4 if isinstance(loss, CrossEntropyLoss) else 1e4
    z = Tensor(logits, requires_grad=True)
    assert loss(z, wrong).item() == pytest.approx(scale)
    assert loss(z, right).item() == 0
    loss(z, wrong).backward()
    assert np.isfinite(z.grad).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], "class indices must be from 0 to 2; got values from 0 to 3"),
        ([-1, 0], "class indices must be from 0 to 2; got values from -1 to 0"),
        ([0, 1, 2], r"need class indices of the shape \(2,\) or one-hot.*got.*\(3,\)"),
        ([[0], [1]], r"need class indices of the shape \(2,\) or one-hot.*got.*\(2, 1\)"),
        (1, r"got labels of the shape \(\)"),
        ([0.5, 1.0], "class indices must be whole numbers"),
        ([float("nan"), 1.0], "class indices must be from 0 to 2"),
    ],
)
def test_labels_that_do_not_fit(labels, message):
    for check in (CrossEntropyLoss(), Accuracy()):
        with pytest.raises(ValueError, match=message):
            check(np.zeros((2, 3)), labels)


def test_rows_that_are_no_probabilities():
    for rows in ([[1, 1, 0]], [[2, -1, 0]], [[0, 0, 0]], [[float("nan"), 0, 1]]):
        with pytest.raises(ValueError, match="one-hot or probabilities"):
            CrossEntropyLoss()([[0, 0, 0]], rows)


@pytest.mark.parametrize("logits", [np.zeros(3), np.zeros((0, 3)), np.zeros((2, 0)), 1.0])
def test_logits_of_a_wrong_shape(logits):
    with pytest.raises(ValueError, match=r"must have the shape \(batch, classes\)"):
        CrossEntropyLoss()(logits, [])


@pytest.mark.parametrize("loss", [MeanSquaredError(), BinaryCrossEntropyLoss()])
def test_targets_of_another_shape(loss):
    with pytest.raises(ValueError, match=r"same shape.*got \(4, 1\) and \(4,\)"):
        loss(np.zeros((4, 1)), np.zeros(4))
    with pytest.raises(ValueError, match="at least one element"):
        loss(np.zeros((0, 1)), np.zeros((0, 1)))


@pytest.mark.parametrize("target", [2, -1, float("nan")])
def test_binary_targets_out_of_range(target):
    with pytest.raises(ValueError, match=r"targets must be in \[0, 1\]"):
        BinaryCrossEntropyLoss()([0.0], [target])


def test_truth_values_are_class_indices():
    z = [[0.0, 1.0], [2.0, 0.0]]
    assert CrossEntropyLoss()(z, [True, False]).item() == CrossEntropyLoss()(z, [1, 0]).item()
    assert Accuracy()([-1.0, 2.0], [False, True]) == 1


def test_accuracy_of_one_logit():
    assert Accuracy()([-1.0, 2.0, 3.0], [0, 1, 0]) == 2 / 3
    assert Accuracy()([[-1.0], [2.0], [3.0]], [[0.0], [1.0], [0.0]]) == 2 / 3
    with pytest.raises(ValueError, match="from 0 to 1"):
        Accuracy()([1.0], [2])


@pytest.mark.parametrize("outputs", [[], np.zeros((0, 3)), np.zeros((2, 2, 2)), 1.0])
def test_accuracy_of_nothing(outputs):
    with pytest.raises(ValueError, match="outputs must have the shape"):
        Accuracy()(outputs, [])
