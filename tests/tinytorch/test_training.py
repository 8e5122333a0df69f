import io
import re
import subprocess
import sys

import numpy as np
import pytest

from tinytorch.core.activations import Tanh
from tinytorch.core.dataloader import DataLoader
from tinytorch.core.networks import create_mlp
from tinytorch.core.optimizers import SGD, Adam
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import (
    Accuracy,
    BinaryCrossEntropyLoss,
    CrossEntropyLoss,
    MeanSquaredError,
    Trainer,
)
from tinytorch.datasets import load_digits


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def blobs(n=60, classes=3, seed=0):
    """Points around three corners: easy to tell apart."""
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=n)
    return rng.normal(np.eye(classes)[y], 0.1).astype(np.float32), y


def make_trainer(loss=None, seed=0, learning_rate=0.01, metric=None):
    model = create_mlp(3, [8], 3, rng=seed)
    return Trainer(
        model, Adam(model.parameters(), learning_rate), loss or CrossEntropyLoss(), metric
    )


def weights(model):
    return [parameter.data.copy() for parameter in model.parameters()]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(
    "optimizer",
    [lambda p: Adam(p, 0.002), lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=1e-4)],
    ids=["Adam", "SGD"],
)
def test_the_digits_are_learned(digits, optimizer):
    model = create_mlp(64, [128, 64], 10, rng=0)
    trainer = Trainer(model, optimizer(model.parameters()), CrossEntropyLoss())
    history = trainer.fit((digits.x_train, digits.y_train), epochs=30, seed=0, verbose=False)
    assert trainer.evaluate(digits.x_test, digits.y_test)["accuracy"] >= 0.97
    assert history["loss"][-1] < 0.05 < history["loss"][0]


# --- repeating -----------------------------------------------------------------------------------

RUN = """
import hashlib
from tinytorch.core.networks import create_mlp
from tinytorch.core.optimizers import Adam
from tinytorch.core.training import CrossEntropyLoss, Trainer
from tinytorch.datasets import load_digits
digits = load_digits()
model = create_mlp(64, [128, 64], 10, rng=SEED)
trainer = Trainer(model, Adam(model.parameters()), CrossEntropyLoss())
trainer.fit((digits.x_train, digits.y_train), epochs=2, seed=SEED, verbose=False)
print(hashlib.sha256(b"".join(p.data.tobytes() for p in model.parameters())).hexdigest())
"""


def test_training_repeats_to_the_bit_in_another_process():
    hashes = [
        subprocess.run(
            [sys.executable, "-c", RUN.replace("SEED", seed)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "001"
    ]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("as_loader", [False, True])
def test_training_repeats_to_the_bit(as_loader):
    runs = []
    for seed in (1, 1, 2):
        trainer = make_trainer()
        data = DataLoader(*blobs(), batch_size=8, seed=seed) if as_loader else blobs()
        history = trainer.fit(data, epochs=3, batch_size=8, seed=seed, verbose=False)
        runs.append((history, weights(trainer.model)))
    assert runs[0][0] == runs[1][0]
    assert same(runs[0][1], runs[1][1])
    assert not same(runs[0][1], runs[2][1])


# --- what fit does -------------------------------------------------------------------------------


def test_history_has_a_value_per_epoch():
    validation = blobs(seed=1)
    history = make_trainer().fit(blobs(), 30, validation_data=validation, seed=0, verbose=False)
    assert set(history) == {"loss", "val_loss", "val_accuracy"}
    assert all(len(values) == 30 for values in history.values())
    assert history["val_accuracy"][-1] == 1
    assert history["val_loss"][-1] < history["val_loss"][0]


def test_the_last_validation_is_what_evaluate_gives():
    trainer, validation = make_trainer(), blobs(seed=1)
    history = trainer.fit(blobs(), 2, validation_data=DataLoader(*validation), verbose=False)
    scores = trainer.evaluate(*validation)
    assert scores == {"loss": history["val_loss"][-1], "accuracy": history["val_accuracy"][-1]}


def test_the_loss_of_an_epoch_is_the_mean_over_its_examples():
    """With a step too small to matter, it is the loss over all, also with a smaller last batch."""
    trainer, data = make_trainer(learning_rate=1e-30), blobs(50)
    history = trainer.fit(data, 1, batch_size=32, verbose=False)
    assert history["loss"][0] == pytest.approx(trainer.evaluate(*data)["loss"], rel=1e-5)


def test_fit_goes_on_from_where_it_was():
    once, twice = make_trainer(), make_trainer()
    once.fit(DataLoader(*blobs(), seed=0), 4, verbose=False)
    loader = DataLoader(*blobs(), seed=0)
    twice.fit(loader, 2, verbose=False)
    twice.fit(loader, 2, verbose=False)
    assert same(weights(once.model), weights(twice.model))


def test_after_step_holds_pruned_weights_at_zero():
    trainer = make_trainer()
    layer = trainer.model.layers[0]
    mask = np.abs(layer.weights.data) > np.median(np.abs(layer.weights.data))
    calls = []

    def hold():
        calls.append(np.count_nonzero(layer.weights.data[~mask]))
        layer.weights.data *= mask

    hold()
    before = layer.weights.data.copy()
    trainer.fit(blobs(), 5, batch_size=20, after_step=hold, verbose=False)
    assert len(calls) == 1 + 5 * 3
    assert calls[1] > 0, "a step moves the pruned weights; the callback comes after it"
    assert (layer.weights.data[~mask] == 0).all()
    assert (layer.weights.data[mask] != before[mask]).any()


def test_other_losses():
    x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    model = create_mlp(1, [16], 1, activation=Tanh, rng=0)
    trainer = Trainer(model, Adam(model.parameters(), 0.02), MeanSquaredError())
    history = trainer.fit((x, np.sin(3 * x)), 200, seed=0, verbose=False)
    assert set(trainer.evaluate(x, np.sin(3 * x))) == {"loss"}
    assert history["loss"][-1] < 1e-2

    model = create_mlp(1, [8], 1, rng=0)
    trainer = Trainer(model, Adam(model.parameters(), 0.02), BinaryCrossEntropyLoss())
    trainer.fit((x, x > 0), 50, seed=0, verbose=False)
    assert trainer.evaluate(x, x > 0)["accuracy"] > 0.95


def test_a_metric_of_ones_own():
    def worst_error(outputs, targets):
        return float(np.abs(outputs - targets).max())

    x = np.ones((4, 3), np.float32)
    trainer = make_trainer(MeanSquaredError(), metric=worst_error)
    assert set(trainer.evaluate(x, x)) == {"loss", "worst_error"}


# --- gradients from outside ----------------------------------------------------------------------


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class SoftTargets:
    """A loss in plain NumPy, as a student writes one: half labels, half a teacher's outputs."""

    def __call__(self, logits, teacher_logits, labels):
        assert isinstance(logits, np.ndarray)
        log_p = np.log(softmax(logits))
        return -0.5 * np.mean((softmax(teacher_logits) + np.eye(3)[labels]) * log_p) * 3

    def gradient(self, logits, teacher_logits, labels):
        p = softmax(logits)
        return (p - 0.5 * softmax(teacher_logits) - 0.5 * np.eye(3)[labels]) / len(labels)


def test_a_gradient_computed_elsewhere_trains_a_network():
    (x, y), model = blobs(), create_mlp(3, [8], 3, rng=0)
    optimizer = SGD(model.parameters(), 0.5)
    for _ in range(60):
        logits = model(x)
        gradient = (softmax(logits.data) - np.eye(3)[y]) / len(y)  # (batch, classes), float64
        optimizer.zero_grad()
        logits.backward(gradient)
        optimizer.step()
    assert Accuracy()(model(x), y) == 1


def test_a_gradient_from_outside_equals_the_losss_own():
    x, y = blobs()
    inside, outside = create_mlp(3, [8], 3, rng=0), create_mlp(3, [8], 3, rng=0)
    CrossEntropyLoss()(inside(x), y).backward()
    logits = outside(x)
    logits.backward((softmax(logits.data) - np.eye(3)[y]) / len(y))
    for p, q in zip(inside.parameters(), outside.parameters(), strict=True):
        np.testing.assert_allclose(p.grad, q.grad, rtol=1e-4, atol=1e-6)


def test_trainer_takes_a_loss_with_a_gradient_and_several_targets():
    x, y = blobs()
    teacher_logits = 5 * np.eye(3, dtype=np.float32)[y]
    trainer = make_trainer(SoftTargets(), metric=Accuracy())
    data = (x, teacher_logits, y)
    history = trainer.fit(data, 30, validation_data=data, seed=0, verbose=False)
    assert set(history) == {"loss", "val_loss", "val_accuracy"}
    assert history["loss"][-1] < history["loss"][0] / 2
    assert history["val_accuracy"][-1] == 1


# --- evaluate and predict ------------------------------------------------------------------------


def test_predict_and_evaluate_change_nothing():
    trainer, (x, y) = make_trainer(), blobs()
    before = weights(trainer.model)
    outputs = trainer.predict(x)
    assert isinstance(outputs, np.ndarray)
    assert outputs.shape == (60, 3)
    np.testing.assert_array_equal(outputs, trainer.model(x).data)
    scores = trainer.evaluate(x, y)
    assert scores["accuracy"] == (outputs.argmax(axis=1) == y).mean()
    assert scores["loss"] == CrossEntropyLoss()(outputs, y).item()
    assert same(before, weights(trainer.model))
    assert all(parameter.grad is None for parameter in trainer.model.parameters())


# --- progress ------------------------------------------------------------------------------------


def test_quiet_prints_nothing(capsys):
    make_trainer().fit(blobs(), 2, verbose=False)
    assert capsys.readouterr() == ("", "")


def test_progress_in_a_file_is_a_line_per_epoch(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # an earlier test's
    make_trainer().fit(blobs(), 2, validation_data=blobs(seed=1))
    out, err = capsys.readouterr()
    scores = r"  loss \d\.\d{4}  val_loss \d\.\d{4}  val_accuracy \d\.\d{4}  "
    first, last = out.splitlines()
    assert re.fullmatch(rf"epoch 1/2{scores}50%, \d+ s left", first)
    assert re.fullmatch(rf"epoch 2/2{scores}\d+\.\d s", last)
    assert err == ""


def test_progress_in_a_terminal_is_one_line(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    make_trainer().fit(blobs(600), 50, batch_size=8)
    text = terminal.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert text.split("\r")[-1].startswith("epoch 50/50  loss 0.0")
    assert text.count("\r") > 1, "a third of a second of training is shown more than once"


# --- bad input -----------------------------------------------------------------------------------

X, Y = blobs()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X[:, :2], Y), r"data: Dense\(3, 8\) takes inputs of shape \(batch, 3\); got \(1, 2\)"),
        ((X, Y[:-1]), r"data: the arrays differ in their number of examples: \[60, 59\]"),
        ((X[:0], Y[:0]), "data: there is no data"),
        ((), "data: there is no data"),
        ((X, Y + 1), "data: class indices must be from 0 to 2; got values from 1 to 3"),
        ((X, Y - 1), "data: class indices must be from 0 to 2; got values from -1 to 1"),
        ((X, np.eye(4)[Y]), r"data: outputs \(60, 3\) need class indices"),
        ((np.where(X > 1, np.nan, X), Y), "data: some inputs are not finite"),
        ((X,), "data: there are inputs but no targets"),
        (X, "data: give .inputs, targets. or a DataLoader"),
        ((np.full(X.shape, "a"), Y), "data: could not convert"),
        (DataLoader(X, Y + 1), "data: class indices must be from 0 to 2"),
    ],
)
def test_bad_data_is_found_before_anything_is_trained(data, message):
    trainer = make_trainer()
    before = weights(trainer.model)
    with pytest.raises(ValueError, match=f"^{message}"):
        trainer.fit(data, 1, verbose=False)
    with pytest.raises(ValueError, match=f"^validation_{message}"):
        trainer.fit((X, Y), 1, validation_data=data, verbose=False)
    assert same(before, weights(trainer.model))


def test_settings_out_of_range():
    with pytest.raises(ValueError, match="epochs must be at least 1; got 0"):
        make_trainer().fit((X, Y), 0)
    with pytest.raises(ValueError, match="batch_size must be at least 1; got 0"):
        make_trainer().fit((X, Y), 1, batch_size=0)


def test_a_gradient_of_a_wrong_shape_is_named():
    class Broken(SoftTargets):
        def gradient(self, logits, teacher_logits, labels):
            return np.ones(len(labels))

    with pytest.raises(ValueError, match=r"the gradient has shape \(32,\), the tensor \(32, 3\)"):
        make_trainer(Broken()).fit((X, X, Y), 1, verbose=False)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_training_that_diverges_stops():
    model = create_mlp(3, [8], 3, rng=0)
    trainer = Trainer(model, SGD(model.parameters(), 1e6), MeanSquaredError())
    with pytest.raises(FloatingPointError, match=r"in epoch \d.*smaller learning_rate"):
        trainer.fit((X, X), 20, verbose=False)


def test_a_loss_that_needs_no_gradient_of_the_model():
    def constant(outputs, targets):
        return Tensor(1.0)

    with pytest.raises(ValueError, match="nothing here requires a gradient"):
        make_trainer(constant).fit((X, Y), 1, verbose=False)
