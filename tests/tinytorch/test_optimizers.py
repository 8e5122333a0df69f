import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.optimizers import SGD, Adam
from tinytorch.core.tensor import Tensor

STEPS = 6


def trajectory(make_optimizer, gradients, start):
    """The values after each step, for gradients given from outside."""
    w = Tensor(start, requires_grad=True)
    optimizer = make_optimizer([w])
    values = []
    for gradient in gradients:
        w.grad = gradient.astype(np.float32)
        optimizer.step()
        values.append(w.data.copy())
    return np.array(values)


@given(
    momentum=st.sampled_from([0.0, 0.5, 0.9]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_sgd_against_sums_in_float64(momentum, weight_decay, seed):
    """The velocity is a sum over all steps so far: v_t = sum_k momentum^(t - k) g_k."""
    rng = np.random.default_rng(seed)
    start, gradients = rng.normal(size=3), rng.normal(size=(STEPS, 3))
    w, past, expected = start, [], []
    for gradient in gradients:
        past.append(gradient + weight_decay * w)
        w = w - 0.1 * sum(momentum**age * g for age, g in enumerate(reversed(past)))
        expected.append(w)
    values = trajectory(lambda p: SGD(p, 0.1, momentum, weight_decay), gradients, start)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


@given(
    betas=st.sampled_from([(0.9, 0.999), (0.0, 0.5), (0.5, 0.9)]),
    epsilon=st.sampled_from([1e-8, 0.1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_adam_against_weighted_means_in_float64(betas, epsilon, seed):
    """Corrected for the start at 0, both moments are means weighted by beta^age."""
    rng = np.random.default_rng(seed)
    start, gradients = rng.normal(size=3), rng.normal(size=(STEPS, 3))
    w, expected = start, []
    for t in range(1, STEPS + 1):
        ages = np.arange(t)[::-1]
        mean = np.average(gradients[:t], axis=0, weights=betas[0] ** ages)
        square = np.average(gradients[:t] ** 2, axis=0, weights=betas[1] ** ages)
        w = w - 0.01 * mean / (np.sqrt(square) + epsilon)
        expected.append(w)
    values = trajectory(lambda p: Adam(p, 0.01, betas, epsilon), gradients, start)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_a_step_works_in_place_and_leaves_the_gradient(optimizer):
    w = Tensor([1.0, 2.0], requires_grad=True)
    array, gradient = w.data, np.array([1.0, -1.0], dtype=np.float32)
    w.grad = gradient
    optimizer([w], learning_rate=0.1).step()
    assert w.data is array
    assert w.data.dtype == np.float32
    assert w.data[0] < 1
    assert w.data[1] > 2
    np.testing.assert_array_equal(gradient, [1.0, -1.0])


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_parameters_without_a_gradient_stay(optimizer):
    used, unused = Tensor(1.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    trainer = optimizer([used, unused], learning_rate=0.1)
    (used * 2).backward()
    trainer.step()
    assert used.item() < 1
    assert unused.item() == 1


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_zero_grad_forgets_the_gradients(optimizer):
    w = Tensor(1.0, requires_grad=True)
    trainer = optimizer([w], learning_rate=0.1)
    for _ in range(2):
        trainer.zero_grad()
        (w * 3).backward()
        assert w.grad == 3


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_a_minimum_is_found(optimizer):
    w = Tensor([5.0, -3.0], requires_grad=True)
    trainer = optimizer([w], learning_rate=0.1)
    for _ in range(300):
        trainer.zero_grad()
        ((w - [1.0, 2.0]) ** 2).sum().backward()
        trainer.step()
    np.testing.assert_allclose(w.data, [1.0, 2.0], atol=1e-2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: SGD([], 0.1), "nothing to train"),
        (lambda p: SGD(p, 0), "learning_rate must be positive"),
        (lambda p: Adam(p, float("nan")), "learning_rate must be positive"),
        (lambda p: SGD(p, float("inf")), "learning_rate must be positive"),
        (lambda p: SGD(p, 0.1, momentum=1), r"momentum must be in \[0, 1\)"),
        (lambda p: SGD(p, 0.1, weight_decay=-1), "weight_decay must be at least 0"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), r"betas must be in \[0, 1\)"),
        (lambda p: Adam(p, epsilon=0), "epsilon must be positive"),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make([Tensor(1.0, requires_grad=True)])
