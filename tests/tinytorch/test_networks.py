import copy

import numpy as np
import pytest

from tinytorch.core.activations import ReLU, Sigmoid, Tanh
from tinytorch.core.layers import Dense
from tinytorch.core.networks import Sequential, create_mlp
from tinytorch.core.tensor import Tensor, no_grad


def test_layers_are_applied_in_order():
    first, second = Dense(2, 3, rng=0), Dense(3, 1, rng=1)
    model = Sequential([first, Tanh(), second])
    x = np.array([[1.0, -1.0], [0.5, 2.0]])
    expected = np.tanh(x @ first.weights.data) @ second.weights.data
    np.testing.assert_allclose(model(x).data, expected, rtol=1e-5)
    np.testing.assert_array_equal(model(Tensor(x)).data, model(x).data)


def test_parameters_in_the_order_of_the_layers():
    a, b = Dense(2, 3), Dense(3, 1, use_bias=False)
    assert Sequential([a, ReLU(), b]).parameters() == [a.weights, a.bias, b.weights]


def test_layers_is_a_list_of_its_own():
    layers = (Dense(2, 3), ReLU())
    model = Sequential(layers)
    model.layers.append(Dense(3, 1))
    assert len(layers) == 2
    assert model(np.ones((4, 2))).shape == (4, 1)


def test_networks_can_be_nested():
    model = Sequential([Sequential([Dense(2, 3), ReLU()]), Dense(3, 1)])
    assert len(model.parameters()) == 4
    assert model(np.ones((4, 2))).shape == (4, 1)


@pytest.mark.parametrize(("layer", "message"), [(ReLU, r"write ReLU\(\)"), (np.tanh, "tanh")])
def test_what_is_not_a_layer(layer, message):
    with pytest.raises(ValueError, match=rf"layers\[1\] is not a layer.*{message}"):
        Sequential([Dense(2, 3), layer])


def test_create_mlp():
    model = create_mlp(64, [128, 64], 10)
    assert repr(model) == (
        "Sequential([Dense(64, 128), ReLU(), Dense(128, 64), ReLU(), Dense(64, 10)])"
    )


def test_create_mlp_with_other_activations():
    assert repr(create_mlp(4, (), 2)) == "Sequential([Dense(4, 2)])"
    assert repr(create_mlp(4, [3], 2, activation=Tanh, output_activation=Sigmoid)) == (
        "Sequential([Dense(4, 3), Tanh(), Dense(3, 2), Sigmoid()])"
    )


def test_create_mlp_repeats_from_a_seed():
    a, b, c = (create_mlp(4, [3, 3], 2, rng=seed).parameters() for seed in (5, 5, 6))
    assert all(np.array_equal(p.data, q.data) for p, q in zip(a, b, strict=True))
    assert not np.array_equal(a[0].data, c[0].data)
    assert not np.array_equal(create_mlp(3, [3], 3, rng=5).layers[2].weights.data, a[2].data)


def test_forward_under_no_grad_gives_the_same_and_records_nothing():
    model = create_mlp(4, [3], 2, rng=0)
    x = np.random.default_rng(0).normal(size=(5, 4))
    with no_grad():
        y = model(x)
    np.testing.assert_array_equal(y.data, model(x).data)
    assert not y.requires_grad
    assert model(x).requires_grad


def test_a_deep_copy_gives_the_same_outputs_and_shares_nothing():
    model = create_mlp(4, [3], 2, rng=0)
    x = np.random.default_rng(0).normal(size=(5, 4))
    before = model(x).data
    twin = copy.deepcopy(model)
    np.testing.assert_array_equal(twin(x).data, before)
    twin.layers[0].weights.data[...] = 0
    np.testing.assert_array_equal(model(x).data, before)
