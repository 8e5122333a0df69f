import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.layers import Dense, Layer
from tinytorch.core.optimizers import SGD, Adam
from tinytorch.core.tensor import Tensor

sizes = st.integers(1, 5)
WEIGHTS = np.arange(6.0).reshape(2, 3)


@given(batch=sizes, inputs=sizes, outputs=sizes, use_bias=st.booleans(), seed=sizes)
def test_dense_is_x_times_weights_plus_bias(batch, inputs, outputs, use_bias, seed):
    rng = np.random.default_rng(seed)
    layer = Dense(inputs, outputs, use_bias)
    x, bias = rng.normal(size=(batch, inputs)), rng.normal(size=outputs)
    if use_bias:
        layer.bias = bias
    expected = x @ layer.weights.data.astype(np.float64) + (bias if use_bias else 0)
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer(x).data, layer(Tensor(x)).data)


@given(batch=sizes, inputs=sizes, outputs=sizes, seed=sizes)
def test_gradients_of_inputs_weights_and_bias(check_gradients, batch, inputs, outputs, seed):
    rng = np.random.default_rng(seed)

    def dense(x, weights, bias):
        layer = Dense(inputs, outputs)
        layer._weights, layer._bias = weights, bias  # the tensors themselves, not copies
        return layer(x)

    check_gradients(
        dense,
        lambda x, weights, bias: x @ weights + bias,
        *(rng.normal(size=shape) for shape in [(batch, inputs), (inputs, outputs), (outputs,)]),
    )


def test_shapes_and_types():
    layer = Dense(3, 2)
    assert (layer.input_size, layer.output_size) == (3, 2)
    assert layer.weights.shape == (3, 2)
    assert layer.bias.shape == (2,)
    assert layer.weights.data.dtype == layer.bias.data.dtype == np.float32
    assert layer.parameters() == [layer.weights, layer.bias]
    assert all(parameter.requires_grad for parameter in layer.parameters())
    assert repr(layer) == "Dense(3, 2)"


def test_without_bias():
    layer = Dense(3, 2, use_bias=False)
    assert layer.bias is None
    assert layer.parameters() == [layer.weights]
    assert repr(layer) == "Dense(3, 2, use_bias=False)"


def test_stacks_of_batches():
    assert Dense(3, 2)(np.ones((5, 4, 3))).shape == (5, 4, 2)


def test_initial_weights_come_from_the_seed():
    a, b, c = (Dense(50, 40, rng=seed).weights.data for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    generator = np.random.default_rng(1)
    np.testing.assert_array_equal(Dense(50, 40, rng=generator).weights.data, a)
    assert (Dense(50, 40, rng=generator).weights.data != a).any()
    assert (Dense(50, 40).weights.data != Dense(50, 40).weights.data).any()


def test_initial_weights_keep_the_scale_of_their_inputs():
    layer = Dense(400, 300, rng=0)
    assert layer.weights.data.std() == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    assert layer.weights.data.mean() == pytest.approx(0, abs=1e-3)
    assert (layer.bias.data == 0).all()


ASSIGNMENTS = {
    "an array": lambda layer, a: setattr(layer, "weights", a),
    "a list": lambda layer, a: setattr(layer, "weights", a.tolist()),
    "a Tensor": lambda layer, a: setattr(layer, "weights", Tensor(a)),
    "data": lambda layer, a: setattr(layer.weights, "data", a),
    "in place": lambda layer, a: layer.weights.data.__setitem__(..., a),
}


@pytest.mark.parametrize("optimizer", [SGD, Adam])
@pytest.mark.parametrize("assign", ASSIGNMENTS.values(), ids=ASSIGNMENTS)
def test_assigned_weights_are_trained_by_an_optimizer_made_before(assign, optimizer):
    layer = Dense(2, 3, rng=0)
    parameter = layer.weights
    trainer = optimizer(layer.parameters(), learning_rate=0.1)
    source = WEIGHTS.copy()
    assign(layer, source)
    assert layer.weights is parameter
    assert layer.weights.data.dtype == np.float32
    np.testing.assert_array_equal(layer.weights.data, WEIGHTS)
    layer(np.ones((1, 2))).sum().backward()
    trainer.step()
    assert (layer.weights.data < WEIGHTS).all()
    np.testing.assert_array_equal(source, WEIGHTS)


def test_an_assigned_bias_is_a_float32_copy():
    layer = Dense(2, 3)
    parameter, values = layer.bias, np.array([1, 2, 3])
    layer.bias = values
    layer.bias.data[0] = 9
    assert layer.bias is parameter
    assert layer.bias.data.dtype == np.float32
    np.testing.assert_array_equal(layer.bias.data, [9, 2, 3])
    np.testing.assert_array_equal(values, [1, 2, 3])


def test_a_product_assigned_to_weights_is_a_leaf_again():
    layer = Dense(2, 3, rng=0)
    before = layer.weights.data.copy()
    mask = np.array([[1, 0, 1], [0, 1, 0]])
    layer.weights *= mask
    np.testing.assert_array_equal(layer.weights.data, before * mask)
    layer(np.ones((1, 2))).sum().backward()
    assert layer.weights.grad.shape == (2, 3)


def test_a_bias_can_be_taken_away_and_given():
    layer = Dense(2, 3)
    layer.bias = None
    assert layer.parameters() == [layer.weights]
    layer.bias = [1, 2, 3]
    assert layer.bias.requires_grad
    np.testing.assert_array_equal(layer(np.zeros((1, 2))).data, [[1, 2, 3]])


@pytest.mark.parametrize("values", [np.ones((3, 2)), np.ones(6), 1.0, np.ones((2, 4))])
def test_weights_of_another_shape_are_refused(values):
    layer = Dense(2, 3, rng=0)
    before = layer.weights.data.copy()
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        layer.weights = values
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        layer.weights.data = values
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        layer.bias = np.ones(4)
    np.testing.assert_array_equal(layer.weights.data, before)


@pytest.mark.parametrize("x", [np.ones((4, 2)), np.ones(2), np.ones((3, 4)), 1.0])
def test_inputs_that_do_not_fit(x):
    with pytest.raises(ValueError, match=r"Dense\(3, 2\) takes inputs of shape \(batch, 3\); got"):
        Dense(3, 2)(x)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (-1, 3)])
def test_sizes_below_one(shape):
    with pytest.raises(ValueError, match="at least one input and one output"):
        Dense(*shape)


def test_a_deep_copy_shares_nothing():
    layer = Dense(2, 3, rng=0)
    twin = copy.deepcopy(layer)
    before = layer.weights.data.copy()
    twin.weights.data[...] = 0
    twin.bias = [1, 1, 1]
    np.testing.assert_array_equal(layer.weights.data, before)
    assert (layer.bias.data == 0).all()


def test_a_layer_of_ones_own():
    class Double(Layer):
        def forward(self, x):
            return x * 2

    assert Double()([1.0]).item() == 2
    with pytest.raises(TypeError, match="abstract"):
        Layer()
