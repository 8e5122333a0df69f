import copy
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch.core.tensor import Tensor, as_tensor, no_grad

seeds = st.integers(0, 2**32 - 1)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, max_side=4)
nonempty_shapes = hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)
broadcastable = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)


def away_from_zero(rng, shape):
    """Values with magnitude 0.5 to 2, either sign: safe to divide by."""
    return rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape)


def positive(rng, shape):
    return rng.uniform(0.5, 2.0, shape)


def distinct(rng, shape):
    """Values that differ by at least 0.1, so that a small step changes no order."""
    return rng.permutation(np.prod(shape, dtype=int)).reshape(shape) / 10


@st.composite
def axes(draw, ndim):
    """An `axis` argument: None, one axis (also negative), or several."""
    one = st.integers(-ndim, ndim - 1)
    several = st.sets(st.integers(0, ndim - 1), min_size=1).map(tuple)
    return draw(st.one_of(st.none(), one, several))


# --- gradients against central differences -------------------------------------------------------


@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv])
@given(broadcast=broadcastable, seed=seeds)
def test_arithmetic_with_broadcasting(check_gradients, op, broadcast, seed):
    rng = np.random.default_rng(seed)
    check_gradients(op, op, *(away_from_zero(rng, shape) for shape in broadcast.input_shapes))


@given(broadcast=broadcastable, seed=seeds)
def test_power_of_tensors(check_gradients, broadcast, seed):
    rng = np.random.default_rng(seed)
    check_gradients(
        operator.pow, operator.pow, *(positive(rng, shape) for shape in broadcast.input_shapes)
    )


@pytest.mark.parametrize("exponent", [-2, -1, 0, 0.0, 1, 2, 3])
@given(shape=shapes, seed=seeds)
def test_whole_powers_of_any_sign(check_gradients, exponent, shape, seed):
    def power(x):
        return x**exponent

    check_gradients(power, power, away_from_zero(np.random.default_rng(seed), shape))


@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_powers_of_zero_have_finite_gradients(exponent):
    x = Tensor([0.0], requires_grad=True)
    (x**exponent).backward()
    assert x.grad == (1 if exponent == 1 else 0)


@pytest.mark.parametrize(
    "f", [lambda x: 3 - x, lambda x: 3 + x, lambda x: 3 * x, lambda x: 3 / x, lambda x: -x]
)
@given(shape=shapes, seed=seeds)
def test_a_number_on_the_left(check_gradients, f, shape, seed):
    check_gradients(f, f, away_from_zero(np.random.default_rng(seed), shape))


@given(shape=shapes, seed=seeds)
def test_exponential_of_a_number(check_gradients, shape, seed):
    rng = np.random.default_rng(seed)
    check_gradients(lambda x: 2**x, lambda x: 2.0**x, away_from_zero(rng, shape))


@given(
    core=hnp.mutually_broadcastable_shapes(
        signature=np.matmul.signature, max_dims=2, max_side=3, base_shape=()
    ),
    seed=seeds,
)
def test_matrix_product(check_gradients, core, seed):
    """Matrices, stacks of them that broadcast, and vectors on either side."""
    rng = np.random.default_rng(seed)
    a, b = (rng.normal(size=shape) for shape in core.input_shapes)
    check_gradients(operator.matmul, operator.matmul, a, b)


@given(shape=shapes, seed=seeds)
def test_exp(check_gradients, shape, seed):
    check_gradients(Tensor.exp, np.exp, away_from_zero(np.random.default_rng(seed), shape))


@given(shape=shapes, seed=seeds)
def test_log(check_gradients, shape, seed):
    check_gradients(Tensor.log, np.log, positive(np.random.default_rng(seed), shape))


@pytest.mark.parametrize("name", ["sum", "mean", "max"])
@given(data=st.data(), shape=nonempty_shapes, seed=seeds)
def test_reductions(check_gradients, name, data, shape, seed):
    axis = data.draw(axes(len(shape)))
    keepdims = data.draw(st.booleans())

    def reduce(x):
        return getattr(x, name)(axis=axis, keepdims=keepdims)

    check_gradients(reduce, reduce, distinct(np.random.default_rng(seed), shape))


@given(data=st.data(), shape=shapes, seed=seeds)
def test_reshape(check_gradients, data, shape, seed):
    new = data.draw(st.permutations([*shape, 1]))

    def by_numbers(x):
        return x.reshape(*new)

    def by_tuple(x):
        return x.reshape(tuple(new))

    x = np.random.default_rng(seed).normal(size=shape)
    check_gradients(by_numbers, by_tuple, x)
    check_gradients(by_tuple, by_numbers, x)


@given(data=st.data(), shape=nonempty_shapes, seed=seeds)
def test_transpose(check_gradients, data, shape, seed):
    order = data.draw(st.permutations(range(len(shape))))
    negative = [axis - len(shape) for axis in order]
    x = np.random.default_rng(seed).normal(size=shape)
    check_gradients(lambda t: t.transpose(*order), lambda a: a.transpose(order), x)
    check_gradients(lambda t: t.transpose(*negative), lambda a: a.transpose(order), x)
    check_gradients(lambda t: t.T, np.transpose, x)


@given(data=st.data(), shape=nonempty_shapes, seed=seeds)
def test_indexing_by_slices_and_numbers(check_gradients, data, shape, seed):
    index = data.draw(hnp.basic_indices(shape))
    x = np.random.default_rng(seed).normal(size=shape)
    check_gradients(lambda t: t[index], lambda a: a[index], x)


@given(data=st.data(), shape=nonempty_shapes, seed=seeds)
def test_indexing_by_arrays_that_may_repeat_an_element(check_gradients, data, shape, seed):
    index = data.draw(hnp.integer_array_indices(shape))
    x = np.random.default_rng(seed).normal(size=shape)
    check_gradients(lambda t: t[index], lambda a: a[index], x)


@given(shape=nonempty_shapes, seed=seeds)
def test_indexing_by_a_mask(check_gradients, shape, seed):
    x = np.random.default_rng(seed).normal(size=shape)
    check_gradients(lambda t: t[x > 0], lambda a: a[x > 0], x)


@given(batch=st.integers(1, 4), n=st.integers(1, 4), seed=seeds)
def test_a_composition_that_uses_its_inputs_twice(check_gradients, batch, n, seed):
    rng = np.random.default_rng(seed)

    def f(x, w, exp):
        hidden = exp(x @ w) + x
        return (hidden * hidden - x[:1]).mean(axis=0) / (1 + exp(hidden).sum())

    check_gradients(
        lambda x, w: f(x, w, Tensor.exp),
        lambda x, w: f(x, w, np.exp),
        rng.uniform(-0.5, 0.5, (batch, n)),
        rng.uniform(-0.5, 0.5, (n, n)),
    )


# --- backward ------------------------------------------------------------------------------------


def test_equally_large_elements_share_the_gradient_of_max():
    x = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    x.max(axis=1).backward([1.0, 1.0])
    np.testing.assert_allclose(x.grad, [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)


def test_backward_adds_to_the_gradient_that_is_there():
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [4.0, 8.0])


def test_backward_twice_on_one_result():
    x = Tensor(3.0, requires_grad=True)
    y = x * x
    y.backward()
    y.backward()
    assert x.grad == 12


def test_gradients_are_arrays_of_their_own():
    a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
    upstream = np.ones(1, dtype=np.float32)
    (a + b).backward(upstream)
    a.grad *= 5
    assert b.grad == 1
    assert upstream == 1


def test_only_leaves_that_ask_for_it_receive_a_gradient():
    x, w = Tensor([1.0]), Tensor([2.0], requires_grad=True)
    y = x * w
    y.backward()
    assert x.grad is None
    assert y.grad is None
    assert w.grad == 1


def test_a_computation_too_long_for_recursion():
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y + 1
    y.backward()
    assert x.grad == 1


def test_backward_needs_a_gradient_unless_the_tensor_has_one_element():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"shape \(2,\).*scalar loss.*backward\(gradient\)"):
        (x * 2).backward()
    (x.sum(keepdims=True) * 2).backward()
    np.testing.assert_array_equal(x.grad, [2.0, 2.0])


def test_backward_refuses_a_gradient_of_another_shape():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(ValueError, match=r"\(3,\).*\(2, 3\)"):
        (x * 2).backward(np.ones(3))
    assert x.grad is None


def test_backward_where_nothing_requires_a_gradient():
    with pytest.raises(ValueError, match="nothing here requires a gradient"):
        Tensor(1.0).backward()


def test_no_grad_records_nothing_and_ends():
    x = Tensor(2.0, requires_grad=True)
    with no_grad():
        y = x * x
    assert y.item() == 4
    assert not y.requires_grad
    with pytest.raises(RuntimeError), no_grad():
        raise RuntimeError
    assert (x * x).requires_grad


# --- the array -----------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [3, [1, 2], np.arange(6).reshape(2, 3), np.float64(2), [[True]]])
def test_data_is_a_writable_float32_copy(values):
    t = Tensor(values)
    assert isinstance(t.data, np.ndarray)
    assert t.data.dtype == t.dtype == np.float32
    assert (t.shape, t.ndim, t.size) == (np.shape(values), np.ndim(values), np.size(values))
    np.testing.assert_array_equal(t.data, values)
    t.data[...] = 7
    assert (np.asarray(values) != 7).all()


def test_assigned_data_becomes_a_float32_copy():
    t = Tensor([1.0, 2.0], requires_grad=True)
    values = np.array([3, 4], dtype=np.int8)
    values.flags.writeable = False
    t.data = values
    assert t.data.dtype == np.float32
    t.data[0] = 9
    np.testing.assert_array_equal(t.data, [9.0, 4.0])
    array = t.data
    t.data *= 2
    assert t.data is array
    np.testing.assert_array_equal(t.data, [18.0, 8.0])
    t.data = Tensor([5.0, 6.0])
    np.testing.assert_array_equal(t.data, [5.0, 6.0])


def test_assigned_data_leaves_the_old_array_alone():
    t = Tensor([1.0, 2.0], requires_grad=True)
    before = t.data
    t.data = [3.0, 4.0]
    np.testing.assert_array_equal(before, [1.0, 2.0])


def test_a_parameter_keeps_its_shape():
    t = Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(ValueError, match=r"shape \(2, 3\).*\(3, 2\)"):
        t.data = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"shape \(2, 3\).*\(\)"):
        t.data = 0
    np.testing.assert_array_equal(t.data, np.ones((2, 3)))


@pytest.mark.parametrize("left", [np.ones(2), np.ones(2, np.float32), np.float64(1), 1, 1.0])
@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv])
def test_arrays_and_numbers_on_the_left_give_tensors(left, op):
    y = op(left, Tensor([2.0, 4.0], requires_grad=True))
    assert isinstance(y, Tensor)
    assert y.requires_grad
    np.testing.assert_array_equal(y.data, op(left, np.array([2.0, 4.0])))


def test_an_array_times_a_tensor_as_matrices():
    y = np.eye(2) @ Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert isinstance(y, Tensor)
    np.testing.assert_array_equal(y.data, [[1.0, 2.0], [3.0, 4.0]])


def test_numpy_reads_a_tensor():
    t = Tensor([[1.0, -2.0]])
    np.testing.assert_array_equal(np.asarray(t), [[1.0, -2.0]])
    np.testing.assert_array_equal(np.abs(t), [[1.0, 2.0]])
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert np.asarray(t) is t.data
    assert np.array(t) is not t.data


def test_as_tensor_takes_float32_arrays_without_a_copy():
    a = np.ones(3, dtype=np.float32)
    assert as_tensor(a).data is a
    t = Tensor(a)
    assert as_tensor(t) is t


def test_comparing_is_elementwise():
    t = Tensor([0.0, 1.0])
    assert (t == 0).tolist() == (t == Tensor([0, 2])).tolist() == [True, False]
    assert (t != 0).tolist() == [False, True]
    assert (np.zeros(2) == t).tolist() == [True, False]
    assert (t == None) is False  # noqa: E711 - `layer.bias == None` is seen in the wild
    assert (t != None) is True  # noqa: E711
    assert {t: 1}[t] == 1


def test_small_conveniences():
    t = Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert len(t) == 2
    assert [row.shape for row in t] == [(2,), (2,)]
    assert t[1, 1].item() == 4
    assert t.numpy() is t.data
    assert repr(Tensor([1.0], requires_grad=True)) == "Tensor([1.], requires_grad=True)"
    with pytest.raises(ValueError, match="exactly one element; this tensor has 4"):
        t.item()


def test_a_parameter_can_be_copied():
    t = Tensor([1.0, 2.0], requires_grad=True)
    t.sum().backward()
    twin = copy.deepcopy(t)
    twin.data[0] = 9
    np.testing.assert_array_equal(t.data, [1.0, 2.0])
    np.testing.assert_array_equal(twin.grad, [1.0, 1.0])
    assert twin.requires_grad


def test_values_that_are_no_numbers():
    with pytest.raises(ValueError, match="could not convert string to float"):
        Tensor(["one"])
