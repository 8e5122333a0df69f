"""PyTorch as an oracle, where it is installed (`pip install tinytorch[peers]`)."""

import numpy as np
import pytest

from tinytorch.core.networks import create_mlp
from tinytorch.core.optimizers import SGD, Adam
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import BinaryCrossEntropyLoss, CrossEntropyLoss, MeanSquaredError

torch = pytest.importorskip("torch")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 6)).astype(np.float32)
LABELS = RNG.integers(4, size=32)
TARGETS = RNG.uniform(size=(32, 4)).astype(np.float32)


def twins(seed=0):
    """The same network twice: ours and PyTorch's, whose weights are transposed."""
    ours = create_mlp(6, [8, 5], 4, rng=seed)
    theirs = torch.nn.Sequential(
        torch.nn.Linear(6, 8),
        torch.nn.ReLU(),
        torch.nn.Linear(8, 5),
        torch.nn.ReLU(),
        torch.nn.Linear(5, 4),
    )
    with torch.no_grad():
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            q.copy_(torch.from_numpy(p.data.T.copy()))
    return ours, theirs


@pytest.mark.parametrize(
    ("loss", "peer", "targets"),
    [
        (CrossEntropyLoss(), torch.nn.CrossEntropyLoss(), LABELS),
        (CrossEntropyLoss(), torch.nn.CrossEntropyLoss(), np.eye(4, dtype=np.float32)[LABELS]),
        (MeanSquaredError(), torch.nn.MSELoss(), TARGETS),
        (BinaryCrossEntropyLoss(), torch.nn.BCEWithLogitsLoss(), TARGETS),
    ],
)
def test_losses_and_gradients(loss, peer, targets):
    ours, theirs = twins()
    value = loss(ours(X), targets)
    value.backward()
    peer_value = peer(theirs(torch.from_numpy(X)), torch.from_numpy(targets))
    peer_value.backward()
    assert value.item() == pytest.approx(peer_value.item(), rel=1e-5)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy().T, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "peer"),
    [
        (lambda p: SGD(p, 0.1), lambda p: torch.optim.SGD(p, 0.1)),
        (
            lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=1e-2),
            lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=1e-2),
        ),
        (lambda p: Adam(p, 0.01), lambda p: torch.optim.Adam(p, 0.01)),
    ],
)
def test_twenty_steps_of_training(optimizer, peer):
    ours, theirs = twins()
    step, peer_step = optimizer(ours.parameters()), peer(theirs.parameters())
    for _ in range(20):
        step.zero_grad()
        CrossEntropyLoss()(ours(X), LABELS).backward()
        step.step()
        peer_step.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            theirs(torch.from_numpy(X)), torch.from_numpy(LABELS)
        )
        loss.backward()
        peer_step.step()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy().T, rtol=1e-3, atol=1e-5)


def test_max_shares_its_gradient_as_amax_does():
    values = np.array([[1, 3, 3], [2, 2, 2]], dtype=np.float32)
    ours, theirs = Tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    ours.max(axis=1).sum().backward()
    theirs.amax(dim=1).sum().backward()
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy())
