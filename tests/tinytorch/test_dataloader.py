import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.dataloader import DataLoader


@given(n=st.integers(1, 50), batch_size=st.integers(1, 60), shuffle=st.booleans())
def test_an_epoch_gives_every_example_once_with_its_label(n, batch_size, shuffle):
    x = np.arange(2 * n).reshape(n, 2)
    loader = DataLoader(x, x[:, 0] // 2, batch_size=batch_size, shuffle=shuffle, seed=0)
    for _ in range(2):
        batches = list(loader)
        assert len(batches) == len(loader)
        assert [len(xs) for xs, _ in batches[:-1]] == [batch_size] * (len(batches) - 1)
        labels = np.concatenate([ys for _, ys in batches])
        np.testing.assert_array_equal(np.concatenate([xs for xs, _ in batches]), x[labels])
        assert sorted(labels) == list(range(n))


def orders(loader, epochs=3):
    return [np.concatenate([x for (x,) in loader]).tolist() for _ in range(epochs)]


def test_a_seed_repeats_the_orders_and_epochs_differ():
    x = np.arange(100)
    first = orders(DataLoader(x, seed=1))
    assert first == orders(DataLoader(x, seed=1))
    assert first != orders(DataLoader(x, seed=2))
    assert first[0] != first[1]


def test_the_order_does_not_touch_the_global_random_state():
    state = np.random.get_state()[1].tolist()
    orders(DataLoader(np.arange(10)))
    assert np.random.get_state()[1].tolist() == state


def test_without_shuffling_the_order_is_kept():
    assert orders(DataLoader(range(10), batch_size=3, shuffle=False), 1) == [list(range(10))]


def test_types_are_kept():
    x, y = next(iter(DataLoader(np.ones((2, 3), np.float32), np.array([0, 1]))))
    assert x.dtype == np.float32
    assert y.dtype == np.int64


@pytest.mark.parametrize(
    ("arrays", "batch_size", "message"),
    [
        ((), 32, "there is no data"),
        ((np.ones((0, 3)), np.ones(0)), 32, "there is no data"),
        ((np.ones((4, 3)), np.ones(5)), 32, r"differ in their number of examples: \[4, 5\]"),
        ((np.ones((4, 3)), np.ones(4)), 0, "batch_size must be at least 1; got 0"),
        ((np.ones((4, 3)), np.ones(4), 32), 32, "give batch_size and seed by name"),
    ],
)
def test_bad_input(arrays, batch_size, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(*arrays, batch_size=batch_size)
