"""The oracle for gradients: central differences, computed in float64 by NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from tinytorch.core.tensor import Tensor

# what the machine does beside must not fail a test
settings.register_profile("any_machine", deadline=None)
settings.load_profile("any_machine")

Check = Callable[..., None]


@pytest.fixture(scope="session")
def check_gradients() -> Check:
    """check_gradients(operation, reference, *arrays): for the float32 `operation` on tensors, its
    float64 twin `reference` on arrays and the arguments, values and all gradients must agree."""

    def check(
        operation: Callable[..., Tensor], reference: Callable[..., Any], *arrays: Any
    ) -> None:
        arrays = tuple(np.asarray(a, dtype=np.float32).astype(np.float64) for a in arrays)
        tensors = [Tensor(a, requires_grad=True) for a in arrays]
        y = operation(*tensors)
        expected = np.asarray(reference(*arrays))
        assert y.data.dtype == np.float32
        assert y.data.flags.writeable
        assert y.shape == expected.shape
        np.testing.assert_allclose(y.data, expected, rtol=2e-5, atol=2e-5)

        upstream = np.random.default_rng(0).uniform(0.5, 1.5, y.shape)
        y.backward(upstream)
        for i, tensor in enumerate(tensors):
            numeric = central_differences(
                lambda a, i=i: (reference(*arrays[:i], a, *arrays[i + 1 :]) * upstream).sum(),
                arrays[i],
            )
            assert tensor.grad is not None
            assert tensor.grad.dtype == np.float32
            assert tensor.grad.shape == tensor.shape
            np.testing.assert_allclose(tensor.grad, numeric, rtol=2e-4, atol=2e-4)

    return check


def central_differences(f: Callable[[Any], float], a: Any, h: float = 1e-6) -> Any:
    """(f(a + h e) - f(a - h e)) / 2h for each unit vector e, in float64."""
    gradient = np.empty_like(a)
    for index in np.ndindex(a.shape):
        step = np.zeros_like(a)
        step[index] = h
        gradient[index] = (f(a + step) - f(a - step)) / (2 * h)
    return gradient
