import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core.activations import ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.tensor import Tensor

REFERENCES = {
    ReLU: lambda x: np.maximum(x, 0),
    Sigmoid: lambda x: 1 / (1 + np.exp(-x)),
    Tanh: np.tanh,
    Softmax: lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
}
every_activation = pytest.mark.parametrize("activation", REFERENCES)


@every_activation
@given(shape=hnp.array_shapes(max_dims=3, max_side=4), seed=st.integers(0, 2**32 - 1))
def test_values_and_gradients(check_gradients, activation, shape, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.1, 3, shape) * rng.choice([-1, 1], shape)  # ReLU bends at 0
    check_gradients(activation(), REFERENCES[activation], x)


@every_activation
def test_huge_inputs_give_finite_outputs_and_gradients(activation):
    x = Tensor([[-1e4, 0.0, 1e4]], requires_grad=True)
    y = activation()(x)
    y.backward(np.ones((1, 3)))
    assert np.isfinite(y.data).all()
    assert np.isfinite(x.grad).all()


def test_limits():
    x = [[-1e4, 0.0, 1e4]]
    np.testing.assert_array_equal(ReLU()(x).data, [[0, 0, 1e4]])
    np.testing.assert_array_equal(Sigmoid()(x).data, [[0, 0.5, 1]])
    np.testing.assert_array_equal(Tanh()(x).data, [[-1, 0, 1]])
    np.testing.assert_array_equal(Softmax()(x).data, [[0, 0, 1]])


def test_sigmoid_is_precise_where_it_is_small():
    np.testing.assert_allclose(Sigmoid()([-30.0]).data, np.exp(-30.0), rtol=1e-6)


def test_relu_has_no_slope_at_0():
    x = Tensor([0.0], requires_grad=True)
    ReLU()(x).backward()
    assert x.grad == 0


@every_activation
def test_inputs_are_left_as_they_were(activation):
    x = np.array([[-1.0, 2.0]], dtype=np.float32)
    activation()(x)
    np.testing.assert_array_equal(x, [[-1.0, 2.0]])


@every_activation
def test_activations_have_nothing_to_train(activation):
    assert activation().parameters() == []
    assert repr(activation()) == f"{activation.__name__}()"
