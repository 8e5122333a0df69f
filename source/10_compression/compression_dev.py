# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Module 10: Compression & Optimization
#
# A network that classifies well may still be of no use: too large for the flash of a microcontroller, too slow for the
# next video frame, too expensive for a million requests a day. This module makes a trained network smaller and
# faster, in four ways, and measures each time what it costs and what it gains.
#
# | step | you write | you find out |
# |---|---|---|
# | 1 | `CompressionMetrics` | where the parameters of a network sit |
# | 2 | `calculate_sparsity`, `prune_weights_by_magnitude`, `prune_model_by_magnitude` | how many weights a network can lose |
# | 3 | `quantize_layer_weights`, `quantize_layer_weights_per_channel` | how few bits a weight needs |
# | 4 | `DistillationLoss` | what a small network learns from a large one |
# | 5 | `compute_neuron_importance`, `prune_layer_neurons`, `prune_model_neurons` | what makes a network truly faster |
# | 6 | `compare_compression_techniques` | what all of it together gives |
#
# You need the earlier modules 00 (setup), 01 (tensor), 03 (layers), 04 (networks) and 09 (training); they come with
# `tinytorch`. Plan 8 to 10 hours. The tests give 90 points, two written answers 10.
#
# **How to work.** Write your code where it says `YOUR CODE HERE`, run the cell, then run the checks below it. A check
# that fails says which property does not hold, what was expected and what came. Grading runs the same checks and more
# of their kind; every property that is graded is stated in the tables of this notebook. Cells marked *experiment* are
# not graded: they use your functions on a network trained on handwritten digits and draw what happens.
#
# **Conventions, throughout.**
#
# - A `Dense` layer computes `x @ weights + bias`; `weights` has shape `(input_size, output_size)`, `bias` has shape
#   `(output_size,)` or is None, both float32. Column `j` of `weights` is neuron `j`.
# - A model is a `Sequential`; a layer's index is its position in `model.layers`, activations counted. A layer without
#   weights counts 0.
# - Counts are integers, ratios and sizes floats, Python's or NumPy's. A dict that you return holds at least the keys
#   named. 1 KB = 1024 bytes, 1 MB = 1024 KB. Nothing is rounded.
# - *In place* means that the same layer object is returned and its array was written or replaced:
#   `layer.weights.data[...] = a`, `layer.weights.data = a` and `layer.weights = Tensor(a)` all do. Where *in place* is
#   not said, arguments stay as they were, arrays included.
# - Computing in float32 or in float64 is both right: floats are compared up to 1e-5 relative plus 1e-6, counts exactly.
#   Where two weights tie exactly (in magnitude, importance or rounding), either may be chosen.
# - **Bad arguments raise `ValueError`**, with a message that says what is allowed, before anything is modified. Each
#   table says which arguments are bad. A ratio that is NaN always is; so are weights that are not all finite, in every
#   function that prunes, quantizes or ranks.

# %% nbgrader={"grade": false, "grade_id": "threads", "locked": true, "schema_version": 3, "solution": false, "task": false}
import os

# Before NumPy is loaded: on arrays as small as these, a second thread waits more than it works.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# %% nbgrader={"grade": false, "grade_id": "imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
#| export
import copy
import math

import numpy as np

from tinytorch.core.activations import ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.layers import Dense
from tinytorch.core.networks import Sequential
from tinytorch.core.tensor import Tensor

# %% [markdown]
# The next two cells are tools: the first for the checks, the second for the experiments. You need not read them to
# begin.

# %% nbgrader={"grade": false, "grade_id": "tools-checks", "locked": true, "schema_version": 3, "solution": false, "task": false}
import warnings

CHECK_SEED = int(os.environ.get("TINYTORCH_CHECK_SEED", "0"))
# What a new layer draws its weights from before a check sets them: much faster than a generator for each.
UNUSED_DRAWS = np.random.default_rng(0)


def check_rng(key):
    """A random generator of its own for each check: the same inputs each time it runs."""
    return np.random.default_rng([CHECK_SEED, key])


def dense_holding(weights, bias=None):
    """A Dense layer with these weights, shape (input_size, output_size), and this bias or none."""
    weights = np.asarray(weights, dtype=np.float32)
    layer = Dense(*weights.shape, use_bias=bias is not None, rng=UNUSED_DRAWS)
    layer.weights = weights
    if bias is not None:
        layer.bias = np.asarray(bias, dtype=np.float32)
    return layer


def random_dense(rng, input_size, output_size, use_bias=True):
    """A Dense layer with normally distributed weights and bias; no two weights tie in magnitude."""
    weights = rng.standard_normal((input_size, output_size)).astype(np.float32)
    while len(set(np.abs(weights).ravel().tolist())) < weights.size:
        weights = rng.standard_normal((input_size, output_size)).astype(np.float32)
    return dense_holding(weights, rng.standard_normal(output_size) if use_bias else None)


def arrays_of(model):
    """The arrays of all weights and biases of a layer or model."""
    layers = getattr(model, "layers", [model])
    return [
        array.data
        for layer in layers
        for array in (getattr(layer, "weights", None), getattr(layer, "bias", None))
        if array is not None
    ]


def snapshot_of(model):
    """The layers of a layer or model with their sizes, as text, and copies of its arrays, to compare with later."""
    return repr(model), [array.copy() for array in arrays_of(model)]


def is_as_before(model, before):
    """Whether a layer or model still is exactly what `snapshot_of` saw, NaN included."""
    layers, arrays = before
    after = arrays_of(model)
    return (
        repr(model) == layers
        and len(after) == len(arrays)
        and all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(after, arrays, strict=True))
    )


def outcomes(function, cases, **options):
    """A list of what `function(*case, **options)` returned for each case, or of the exceptions that it raised.

    function: one for all cases, or a list with one for each. All cases run before any is looked at.
    """
    functions = function if isinstance(function, list) else [function] * len(cases)
    found = []
    for each, case in zip(functions, cases, strict=True):
        try:
            found.append(each(*case, **options))
        except Exception as error:  # noqa: BLE001 - whatever it is, the check looks at it
            found.append(error)
    return found


def result_of(outcome, situation=""):
    """What one of the `outcomes` returned; if it raised an exception, that goes on upwards, with a note of when."""
    if not isinstance(outcome, Exception):
        return outcome
    if situation:
        outcome.add_note(f"in this case: {situation.rstrip(',')}")
    raise outcome


def raised_value_error(outcome, situation=""):
    """Whether one of the `outcomes` is a ValueError; any other exception goes on upwards, with a note of when."""
    if isinstance(outcome, ValueError):
        return True
    result_of(outcome, situation)
    return False


def is_an_integer(value):
    """Whether a value is an integer, Python's or NumPy's; True and False are not."""
    array = np.asarray(value)
    return array.ndim == 0 and array.dtype.kind in "iu"


def agrees_with(got, expected, rtol=1e-5, atol=1e-6):
    """Whether numbers or arrays agree in shape and value, within the tolerance; infinity with itself alone."""
    got, expected = np.asarray(got), np.asarray(expected, dtype=np.float64)
    if got.dtype.kind not in "iuf" or got.shape != expected.shape:
        return False
    got = got.astype(np.float64)
    difference = np.abs(got - expected)
    near = (difference <= atol + rtol * np.abs(expected)) & (difference < math.inf)
    return bool(np.all(near | (got == expected)))


def returned_pair(result, kind):
    """The two values of a result or outcome, a Dense or a Sequential and a report; a message if they are others."""
    result = result_of(result)
    values = result if isinstance(result, (tuple, list)) else [result]
    names = [type(value).__name__ for value in values]
    right = len(values) == 2 and isinstance(values[0], kind) and isinstance(values[1], dict)
    assert right, f"two values must come back, a {kind.__name__} and a dict; what came: {', '.join(names)}"
    return values


def dense_at(model, index):
    """The Dense at this position of a model that came back; a message if none is there."""
    layer = model.layers[index] if index < len(model.layers) else None
    assert isinstance(layer, Dense), f"model.layers[{index}] must be a Dense, as in the given model, yours is {layer}"
    return layer


def bias_array(layer):
    """The bias as an array; None for a layer without."""
    return None if layer.bias is None else layer.bias.data


def outputs_of(model, inputs):
    """What a layer or model that came back computes; a message if it does not run."""
    try:
        return model(inputs).data
    except ValueError as error:
        raise AssertionError(f"what comes back must run on inputs {inputs.shape}, yours does not: {error}") from None


def report_field(report, key):
    """An entry of a report; a message if it is missing."""
    assert isinstance(report, dict), f"the report must be a dict, yours is a {type(report).__name__}"
    assert key in report, f"the key {key!r} must be in the report, yours are {sorted(map(str, report))}"
    return report[key]


def report_numbers(report, key):
    """An entry of a report that is a number or an array of them, as an array; a message if it is not."""
    array = np.asarray(report_field(report, key))
    assert array.dtype.kind in "iuf", f"{key!r} must be a number or an array of numbers, yours is {report[key]!r}"
    return array


def assert_report(report, expected, situation):
    """Assert that a result or outcome is a dict with these values: integers and text exactly, floats `agrees_with`."""
    report = result_of(report, situation)
    assert isinstance(report, dict), f"{situation}: a dict must come back, yours is a {type(report).__name__}"
    for key, value in expected.items():
        assert key in report, f"{situation}: the key {key!r} must be there, yours are {sorted(map(str, report))}"
        got, kind = report[key], ""
        if isinstance(value, str):
            right = isinstance(got, str) and got == value
        elif is_an_integer(value):
            right = is_an_integer(got) and got == value
            kind = "" if is_an_integer(got) else "the integer "
        else:
            right = agrees_with(got, value)
        assert right, f"{situation}: {key!r} must be {kind}{value}, yours is {got}"


# %% nbgrader={"grade": false, "grade_id": "tools-experiments", "locked": true, "schema_version": 3, "solution": false, "task": false}
import base64
import functools
import html
import io
import tempfile
import time

from tinytorch.core.networks import create_mlp
from tinytorch.core.optimizers import Adam
from tinytorch.core.tensor import no_grad
from tinytorch.core.training import CrossEntropyLoss, Trainer
from tinytorch.datasets import load_digits
from tinytorch.storage import load_model, save_model, stored_size

RUN_EXPERIMENTS = "NBGRADER_EXECUTION" not in os.environ

# Colour, marker and line style together: a curve can be told from the next without colour.
STYLES = [
    {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#009E73", "marker": "^", "linestyle": "-."},
    {"color": "#000000", "marker": "D", "linestyle": ":"},
]
# Flash and RAM in bytes.
BOARDS = {
    "Arduino Nano 33 BLE": (1024 * 1024, 256 * 1024),
    "Arduino Nano 33 IoT": (256 * 1024, 32 * 1024),
    "ATmega328P": (32 * 1024, 2 * 1024),
}
# What the last comparison measures, kept for its picture.
MEASURED = {}


@functools.cache
def digits_split(split=0):
    """The handwritten digits: x_train, y_train, x_test, y_test of one random split."""
    return load_digits(split)


def train_on_digits(
    model, split=0, epochs=40, loss=None, arrays=None, after_step=None, batch_size=64
):
    """Trains a model in place and returns it.

    loss: cross-entropy by default. arrays: what to train on, images and then what the loss takes after the logits; by
    default the labelled training images of the split. after_step: called after each step, for instance to hold pruned
    weights at 0.
    """
    data = digits_split(split)
    optimizer = Adam(model.parameters())
    trainer = Trainer(model, optimizer, loss or CrossEntropyLoss())
    order = np.random.default_rng(split)
    for factor, part in ((1.0, 0.4), (0.5, 0.3), (0.1, 0.3)):
        optimizer.learning_rate = factor * 0.005 * batch_size / 64
        trainer.fit(
            arrays or (data.x_train, data.y_train),
            math.ceil(epochs * part),
            batch_size=batch_size,
            seed=order,
            after_step=after_step,
            verbose=False,
        )
    return model


@functools.cache
def _trained_once(split, seed):
    return train_on_digits(create_mlp(64, [128, 64], 10, rng=seed), split)


def trained_network(split=0, seed=0):
    """A fresh copy of a 64-128-64-10 network with ReLU, trained on one split of the digits."""
    return copy.deepcopy(_trained_once(split, seed))


def logits_of(model, inputs):
    """The outputs of a model as an array; nothing is recorded for gradients."""
    with no_grad():
        return model(inputs).data


def accuracy_on_digits(model, split=0):
    """Percent of the test images of a split whose digit the model gets right."""
    data = digits_split(split)
    return 100 * float(np.mean(logits_of(model, data.x_test).argmax(axis=1) == data.y_test))


def dense_by_index(model):
    """The Dense layers of a model as a dict from index to layer."""
    return {i: layer for i, layer in enumerate(model.layers) if isinstance(layer, Dense)}


def hold_zeros(model):
    """A function that sets the weights that are 0 now to 0 again: give it to train as after_step."""
    masks = {i: layer.weights.data != 0 for i, layer in dense_by_index(model).items()}

    def after_step():
        for i, mask in masks.items():
            model.layers[i].weights.data *= mask

    return after_step


def times_in_microseconds(model, inputs, repeats=200):
    """The times of that many forward passes over these inputs, in microseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        logits_of(model, inputs)
        times.append(1e6 * (time.perf_counter() - start))
    return times


def new_picture(columns=1, height=3.6, width=5.2):
    """A figure with axes side by side; height and width of one of them in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height), layout="constrained")
    axes = figure.subplots(1, columns)
    for ax in np.ravel(axes):
        ax.grid(color="0.85")
        ax.set_axisbelow(True)
    return figure, axes


def show_picture(figure, caption):
    """Displays a figure; the caption below it is also its alternative text."""
    from IPython.display import display

    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100)
    picture = base64.b64encode(png.getvalue()).decode()
    text = html.escape(caption)
    page = f'<img src="data:image/png;base64,{picture}" alt="{text}" style="max-width: 100%"><p>{text}</p>'
    # The PNG by itself as well: of a submission's pictures, feedback pages show PNG only.
    display({"text/html": page, "image/png": picture, "text/plain": caption}, raw=True)


# %% [markdown]
# ## Step 1: Understanding Model Size
#
# Before anything is made smaller, it has to be measured. A `Dense` layer holds one weight for each pair of an input and
# a neuron, and one bias for each neuron:
#
# $$\text{parameters} = \text{input\_size} \cdot \text{output\_size} + \text{output\_size}$$
#
# The product dominates, so almost all of a network sits in the weights between its wide layers, and almost nothing in
# the biases. (Count: the shapes of `weights` and `bias` of this library's `Dense`. The classic network 784-300-100-10
# has 266,200 weights and, with biases, 266,610 parameters; Han, Mao, Dally 2016, arXiv 1510.00149, compress it under
# the name LeNet-300-100.)
#
# The size follows from the number format. `float32` takes 4 bytes a parameter, `float16` 2, `int8` 1, and in `int4` two
# parameters share a byte:
#
# $$\text{total\_bytes} = \lceil \text{total\_parameters} \cdot \text{bytes\_per\_parameter} \rceil$$
#
# **Contract of `CompressionMetrics`** (10 points)
#
# | call | returns |
# |---|---|
# | `count_parameters(model)` | a dict of integers: `layer_{i}_weights` and `layer_{i}_bias` for every layer `i` that has them, then `total_weights`, `total_bias`, `total_parameters` |
# | | `i` is the position in `model.layers`, activations counted; a model without weights has three totals of 0 |
# | `calculate_model_size(model, dtype="float32")` | a dict: `total_parameters`, `bytes_per_parameter`, `total_bytes`, `size_kb`, `size_mb`, `dtype` |
# | | `bytes_per_parameter` is 4 for `"float32"`, 2 for `"float16"`, 1 for `"int8"`, 0.5 for `"int4"` |
# | | `total_bytes` is rounded up to whole bytes; `size_kb` is `total_bytes / 1024`, `size_mb` is `size_kb / 1024`, neither rounded |
# | any other `dtype` | `ValueError` |

# %% nbgrader={"grade": false, "grade_id": "CompressionMetrics", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class CompressionMetrics:
    """Counts the parameters of a model and the bytes they take."""

    def count_parameters(self, model):
        """Parameters of a Sequential, by layer and in total.

        Returns a dict: `layer_{i}_weights` and `layer_{i}_bias` for every layer i that has them, then `total_weights`,
        `total_bias` and `total_parameters`. All values are integers.
        """
        ### BEGIN SOLUTION
        counts = {}
        totals = {"weights": 0, "bias": 0}
        for i, layer in enumerate(model.layers):
            for name in totals:
                parameter = getattr(layer, name, None)
                if parameter is not None:
                    counts[f"layer_{i}_{name}"] = parameter.size
                    totals[name] += parameter.size
        counts["total_weights"] = totals["weights"]
        counts["total_bias"] = totals["bias"]
        counts["total_parameters"] = totals["weights"] + totals["bias"]
        return counts
        ### END SOLUTION

    def calculate_model_size(self, model, dtype="float32"):
        """Size of a Sequential if each parameter were stored as `dtype`: float32, float16, int8 or int4.

        Returns a dict: `total_parameters`, `bytes_per_parameter`, `total_bytes` (rounded up to whole bytes), `size_kb`,
        `size_mb`, `dtype`. Raises ValueError for another dtype.
        """
        ### BEGIN SOLUTION
        bytes_per_parameter = {"float32": 4, "float16": 2, "int8": 1, "int4": 0.5}
        if dtype not in bytes_per_parameter:
            raise ValueError(f"dtype must be one of {', '.join(bytes_per_parameter)}, not {dtype!r}")
        total = self.count_parameters(model)["total_parameters"]
        total_bytes = math.ceil(total * bytes_per_parameter[dtype])
        return {
            "total_parameters": total,
            "bytes_per_parameter": bytes_per_parameter[dtype],
            "total_bytes": total_bytes,
            "size_kb": total_bytes / 1024,
            "size_mb": total_bytes / 1024**2,
            "dtype": dtype,
        }
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_compression_metrics_comprehensive", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
def test_compression_metrics_comprehensive():
    """Counting a small model: every layer with parameters by its index, then the totals."""
    model = Sequential([Dense(4, 3), ReLU(), Dense(3, 2, use_bias=False)])
    counts = CompressionMetrics().count_parameters(model)
    assert isinstance(counts, dict), f"count_parameters must return a dict, yours returned a {type(counts).__name__}"
    expected = {
        "layer_0_weights": 12,
        "layer_0_bias": 3,
        "layer_2_weights": 6,
        "total_weights": 18,
        "total_bias": 3,
        "total_parameters": 21,
    }
    for key, value in expected.items():
        assert key in counts, (
            f"count_parameters must report {key} for Dense(4, 3), ReLU, Dense(3, 2) without bias; your keys are "
            f"{sorted(counts)}. The index is the position in model.layers, activations counted"
        )
        right = is_an_integer(counts[key]) and counts[key] == value
        assert right, (
            f"{key} of Dense(4, 3), ReLU, Dense(3, 2) without bias must be the integer {value}, yours is {counts[key]}: "
            "weights have input_size * output_size entries, a bias has output_size, the totals add them over the layers"
        )


with warnings.catch_warnings(action="ignore"):
    test_compression_metrics_comprehensive()


# %% nbgrader={"grade": true, "grade_id": "test_compression_metrics_comprehensive-counts", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_compression_metrics_comprehensive_counts():
    """Counts are right for any architecture, and counting changes nothing."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(11)
    a, b, c = (int(size) for size in rng.integers(2, 9, 3))
    first, second, third = random_dense(rng, a, b, use_bias=False), random_dense(rng, b, c), random_dense(rng, c, 1)
    model = Sequential([Tanh(), first, ReLU(), ReLU(), second, third, Softmax()])
    before = snapshot_of(model)
    expected = {
        "layer_1_weights": a * b,
        "layer_4_weights": b * c,
        "layer_4_bias": c,
        "layer_5_weights": c,
        "layer_5_bias": 1,
        "total_weights": a * b + b * c + c,
        "total_bias": c + 1,
        "total_parameters": a * b + b * c + 2 * c + 1,
    }
    empty = {"total_weights": 0, "total_bias": 0, "total_parameters": 0}
    metrics = CompressionMetrics()
    counts, nothing = outcomes(metrics.count_parameters, [(model,), (Sequential([ReLU()]),)])
    assert_report(counts, expected, f"counting {model}")
    assert is_as_before(model, before), "counting must leave the model as it was, your function changed its parameters"
    assert_report(nothing, empty, "counting a model of one ReLU")
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_compression_metrics_comprehensive_counts()


# %% nbgrader={"grade": true, "grade_id": "test_compression_metrics_comprehensive-size", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_compression_metrics_comprehensive_size():
    """The size follows from the number of parameters and the dtype; nothing is rounded but up to whole bytes."""
    metrics = CompressionMetrics()
    size = metrics.calculate_model_size(Sequential([Dense(64, 32, use_bias=False)]))
    expected = {"bytes_per_parameter": 4.0, "total_bytes": 8192.0, "size_kb": 8.0, "size_mb": 0.0078125}
    assert_report(size, expected, "Dense(64, 32) without bias holds 2048 float32, 4 bytes each; 1 KB is 1024 bytes")
    ### BEGIN HIDDEN TESTS
    rng = check_rng(12)
    inputs, outputs = (2 * int(size) for size in rng.integers(12, 24, 2))
    model = Sequential([Dense(inputs, outputs, use_bias=False)])
    widths = {"float32": 4, "float16": 2, "int8": 1, "int4": 0.5}
    sizes = outcomes(metrics.calculate_model_size, [(model, dtype) for dtype in widths])
    for (dtype, width), size in zip(widths.items(), sizes, strict=True):
        expected = {
            "bytes_per_parameter": float(width),
            "total_bytes": float(inputs * outputs * width),
            "size_kb": inputs * outputs * width / 1024,
            "size_mb": inputs * outputs * width / 1024 / 1024,
            "dtype": dtype,
        }
        assert_report(size, expected, f"Dense({inputs}, {outputs}) without bias as {dtype}")
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_compression_metrics_comprehensive_size()


# %% nbgrader={"grade": true, "grade_id": "test_compression_metrics_comprehensive-whole_model", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_compression_metrics_comprehensive_whole_model():
    """The size is that of all parameters of all layers, in float32 unless said otherwise."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(13)
    a, b, c = (int(size) for size in rng.integers(8, 16, 3))
    model = Sequential([random_dense(rng, a, b), ReLU(), random_dense(rng, b, c), Softmax()])
    before = snapshot_of(model)
    total = a * b + b + b * c + c
    metrics = CompressionMetrics()
    size, nothing = outcomes(metrics.calculate_model_size, [(model,), (Sequential([ReLU()]),)])
    expected = {"total_parameters": total, "total_bytes": 4.0 * total, "size_kb": total / 256, "dtype": "float32"}
    assert_report(size, expected, f"the size of {model}, weights and biases")
    expected = {"total_parameters": 0, "total_bytes": 0.0}
    assert_report(nothing, expected, "the size of a model without parameters")
    size = metrics.calculate_model_size(model, dtype="float16")
    assert_report(size, {"total_bytes": 2.0 * total}, f"the size of {model} as float16")
    assert is_as_before(model, before), "computing a size must leave the model as it was, your method changed it"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_compression_metrics_comprehensive_whole_model()


# %% nbgrader={"grade": true, "grade_id": "test_compression_metrics_comprehensive-half_bytes", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_compression_metrics_comprehensive_half_bytes():
    """4-bit parameters take half a byte each; the total is rounded up to whole bytes."""
    ### BEGIN HIDDEN TESTS
    cases, counts = [], []
    for sizes in [(1, 1), (3, 5), (7, 3), (5, 3, 5)]:
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        cases.append((Sequential([Dense(a, b, use_bias=False) for a, b in pairs]), "int4"))
        counts.append(sum(a * b for a, b in pairs))
    metrics = CompressionMetrics()
    for n, size in zip(counts, outcomes(metrics.calculate_model_size, cases), strict=True):
        whole = (n + 1) // 2
        expected = {"bytes_per_parameter": 0.5, "total_bytes": float(whole), "size_kb": whole / 1024}
        assert_report(size, expected, f"{n} parameters of half a byte, their total rounded up to whole bytes")
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_compression_metrics_comprehensive_half_bytes()


# %% nbgrader={"grade": true, "grade_id": "test_compression_metrics_comprehensive-unknown_dtype", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_compression_metrics_comprehensive_unknown_dtype():
    """A dtype that is not on the list raises ValueError."""
    ### BEGIN HIDDEN TESTS
    model = Sequential([Dense(3, 2)])
    metrics = CompressionMetrics()
    unknown, known = ("float64", "int2", "int16", "float", ""), ("float32", "float16", "int8", "int4")
    sizes = outcomes(metrics.calculate_model_size, [(model, dtype) for dtype in (*unknown, *known)])
    for dtype, size in zip((*unknown, *known), sizes, strict=True):
        if dtype in unknown:
            assert raised_value_error(size, f"dtype={dtype!r}"), (
                f"dtype={dtype!r} must raise ValueError, since float32, float16, int8 and int4 alone are allowed; "
                "your method took it"
            )
        else:
            assert not raised_value_error(size, f"dtype={dtype!r}"), f"dtype={dtype!r} is allowed, your method raised ValueError"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_compression_metrics_comprehensive_unknown_dtype()


# %% [markdown]
# ### Experiment: where the parameters sit
#
# From here on, experiments use a network 64-128-64-10 with ReLU between the layers, trained on handwritten digits (UCI:
# 1,797 images of 8 x 8 pixels, 1,437 to train and 360 to test on). It trains in a fraction of a second. One test image
# is 0.28 percentage points of accuracy, so comparisons below average several random splits into training and test
# images. The right side of the picture adds a network 784-128-64-10, for images of 28 x 28 pixels, and the flash memory
# of three microcontroller boards.

# %% nbgrader={"grade": false, "grade_id": "experiment-parameters", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["experiment"]
def experiment_where_the_parameters_sit():
    if not RUN_EXPERIMENTS:
        return
    metrics = CompressionMetrics()
    model = trained_network()
    counts = metrics.count_parameters(model)
    figure, (left, right) = new_picture(2)

    names = [name for name in counts if name.startswith("layer_")]
    left.barh(names, [counts[name] for name in names], color=STYLES[0]["color"])
    for row, name in enumerate(names):
        left.text(counts[name], row, f" {counts[name]:,}", va="center")
    left.invert_yaxis()
    left.set(xlabel="parameters", xlim=(0, 1.2 * max(counts[name] for name in names)))

    dtypes = ["float32", "float16", "int8", "int4"]
    networks = {"64-128-64-10": model, "784-128-64-10": create_mlp(784, [128, 64], 10, rng=0)}
    for style, (name, network) in zip(STYLES, networks.items()):
        sizes = [metrics.calculate_model_size(network, dtype)["size_kb"] for dtype in dtypes]
        right.plot(dtypes, sizes, label=name, **style)
        print(name, *(f"{dtype} {size:.1f} KB" for dtype, size in zip(dtypes, sizes)), sep="   ")
    for board, (flash, _) in BOARDS.items():
        right.axhline(flash / 1024, color="0.4", linewidth=1)
        right.text(3.3, flash / 1024, f"flash of {board} ", ha="right", va="bottom", fontsize=8)
    right.set(yscale="log", ylabel="size (KB)", ylim=(5, 3000), xlim=(-0.3, 3.3))
    right.legend(loc="lower left", fontsize=8)

    share = 100 * counts["total_weights"] / counts["total_parameters"]
    show_picture(
        figure,
        f"Left: of {counts['total_parameters']:,} parameters, {share:.1f} % are weights, nearly all in the first two "
        f"layers. Accuracy of this network: {accuracy_on_digits(model):.1f} %. Right: size of two networks by number format, on a "
        "logarithmic scale. The larger one is too large for the flash of the Arduino Nano 33 IoT in float32, and fits from "
        "float16 on.",
    )


experiment_where_the_parameters_sit()


# %% [markdown]
# The parameters sit in the products `input_size * output_size`, so it is the weights that this module compresses.
#
# The right side is the reason for **TinyML**, machine learning on microcontrollers. In **edge computing**, a sensor
# or another small device decides on the spot instead of sending its data away, and the board is given: 1 MB of flash
# and 256 KB of RAM on an Arduino Nano 33 BLE, 256 KB and 32 KB on a Nano 33 IoT, 32 KB and 2 KB on the ATmega328P of an
# Arduino Uno. A network either fits or it does not. The last step comes back to these boards.

# %% [markdown]
# ## Step 2: Magnitude-Based Pruning
#
# In a trained network many weights are close to 0 and change the output little. *Magnitude pruning* sets the smallest
# ones to exactly 0. Of $n$ weights and a pruning ratio $p$ it removes
#
# $$k = \operatorname{round}(p \cdot n)$$
#
# weights, the $k$ of smallest magnitude $|w|$, and leaves the others as they are (Han, Pool, Tran, Dally 2015, arXiv
# 1506.02626; the count is the one of PyTorch's `l1_unstructured`). *Sparsity* is the fraction of weights that are 0,
# *density* the rest, and
#
# $$\text{compression\_ratio} = \frac{\text{total\_weights}}{\text{remaining\_weights}}.$$
#
# Counting $k$ weights is not the same as cutting at a percentile: with a percentile and a strict comparison, a ratio of
# 0 still removes a weight, and a layer whose weights are all equal loses every one.
#
# Pruning a whole model needs one more decision. With `scope="global"` all weights of the model are ranked together, so
# a layer that matters less loses more. With `scope="layer"` every layer loses the same fraction.
#
# Pruning is half of the method. The other half is *retraining*: train the surviving weights on, and hold the pruned
# ones at 0. The experiment below shows how much depends on it.
#
# **Contract of `calculate_sparsity`, `prune_weights_by_magnitude`, `prune_model_by_magnitude`** (20 points)
#
# | call | what holds |
# |---|---|
# | `calculate_sparsity(layer)` | a float: the fraction of weights that are exactly 0; 0.0 for a layer without weights; the bias does not count |
# | `prune_weights_by_magnitude(layer, pruning_ratio=0.5)` | returns `(layer, info)`; in place: the same layer object |
# | | sets exactly `round(pruning_ratio * n)` (Python's `round`) of the `n` weights to 0: the ones of smallest magnitude |
# | | surviving weights, bias, dtype (float32) and shape are untouched |
# | | weights that are 0 already are the smallest, so pruning twice at one ratio removes nothing new |
# | its `info` | `pruning_ratio`: as given |
# | | `threshold`: no survivor's magnitude is below it, no removed weight's magnitude above it |
# | | `total_weights`; `weights_removed`: newly set to 0; `remaining_weights`: nonzero afterwards; `sparsity`: afterwards |
# | | `compression_ratio`: total / remaining, `inf` when none remain |
# | `prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global")` | returns `(model, info)`; every `Dense` of the model, in place |
# | `scope="global"` | one ranking over all `N` weights of the model together; exactly `round(pruning_ratio * N)` become 0 |
# | `scope="layer"` | the same ratio in each layer, `round(pruning_ratio * n)` of its `n` weights |
# | its `info` | the keys above over the whole model (`threshold` for `"layer"`: the largest of the layers' thresholds), and `scope` |
# | | `layers`: a list with one `{"index", "sparsity", "remaining_weights", "total_weights"}` for each `Dense`, in order; `index` is its position in `model.layers` |
# | `pruning_ratio` outside [0, 1] or NaN; unknown `scope`; weights that are not all finite | `ValueError`, and nothing was modified, in no layer |

# %% nbgrader={"grade": false, "grade_id": "calculate_sparsity", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def calculate_sparsity(layer):
    """The fraction of a layer's weights that are exactly 0, a float; 0.0 for a layer without weights."""
    ### BEGIN SOLUTION
    if getattr(layer, "weights", None) is None:
        return 0.0
    weights = layer.weights.data
    return np.count_nonzero(weights == 0) / weights.size
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive-sparsity", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive_sparsity():
    """Sparsity is the fraction of weights that are exactly 0; the bias does not count."""
    layer = dense_holding([[0.0, 1.5], [0.0, -2.0], [0.25, 0.0], [3.0, 4.0]], bias=[0.0, 0.0])
    sparsity = calculate_sparsity(layer)
    assert agrees_with(sparsity, 0.375), (
        f"3 of these 8 weights are 0, so the sparsity is 0.375, yours is {sparsity}; a bias of 0 does not count"
    )
    ### BEGIN HIDDEN TESTS
    rng = check_rng(21)
    weights = rng.uniform(0.5, 1, (6, 5)) * rng.choice([-1, 1], (6, 5))
    zeros = int(rng.integers(3, 20))
    weights.flat[rng.permutation(30)[:zeros]] = 0
    situations = [
        (weights, zeros / 30, f"{zeros} of 30 weights are 0"),
        (np.full((2, 4), -1e-30), 0.0, "a weight of -1e-30 is small, but not 0"),
        (np.array([[-0.0, 1.0]]), 0.5, "-0.0 is 0, and 1 weight of 2"),
        (np.zeros((3, 3)), 1.0, "all weights are 0"),
        (np.ones((1, 1)), 0.0, "the only weight is 1"),
    ]
    layers = [dense_holding(array, bias=np.ones(array.shape[1])) for array, _, _ in situations]
    before = list(map(snapshot_of, layers))
    *got, of_relu = outcomes(calculate_sparsity, [*((layer,) for layer in layers), (ReLU(),)])
    for (_, expected, what), layer, copied, outcome in zip(situations, layers, before, got, strict=True):
        sparsity = result_of(outcome, what)
        assert agrees_with(sparsity, expected), f"{what}: the sparsity is {expected}, yours is {sparsity}"
        assert is_as_before(layer, copied), "calculate_sparsity must leave the layer as it was, yours changed it"
    sparsity = result_of(of_relu, "a layer without weights")
    assert agrees_with(sparsity, 0.0), f"a layer without weights has sparsity 0.0, yours is {sparsity}"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive_sparsity()


# %% nbgrader={"grade": false, "grade_id": "prune_weights_by_magnitude", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def prune_weights_by_magnitude(layer, pruning_ratio=0.5):
    """Set the `round(pruning_ratio * n)` of a layer's n weights that are smallest in magnitude to 0, in place.

    Returns `(layer, info)`; info holds `pruning_ratio`, `threshold`, `total_weights`, `weights_removed`,
    `remaining_weights`, `sparsity` and `compression_ratio`. Raises ValueError, before anything is modified, for a
    ratio outside [0, 1] and for weights that are not all finite.
    """
    ### BEGIN SOLUTION
    if not 0 <= pruning_ratio <= 1:  # NaN fails this too
        raise ValueError(f"pruning_ratio must be in [0, 1], not {pruning_ratio}")
    weights = layer.weights.data
    magnitude = np.abs(weights)
    if not np.isfinite(magnitude.max()):  # a NaN anywhere makes the maximum NaN
        raise ValueError("weights must all be finite")

    total = weights.size
    nonzero = np.count_nonzero(magnitude > 0)
    k = round(pruning_ratio * total)
    threshold = 0.0
    if k > 0:
        threshold = float(np.partition(magnitude, k - 1, axis=None)[k - 1])  # the k-th smallest
        keep = magnitude > threshold
        spared = total - k - np.count_nonzero(keep)  # of the weights that tie at the threshold, so many stay
        if spared > 0:
            keep.flat[np.flatnonzero(magnitude == threshold)[:spared]] = True
        weights *= keep
    remaining = min(nonzero, total - k)  # weights that were 0 already are the first to go
    return layer, {
        "pruning_ratio": pruning_ratio,
        "threshold": threshold,
        "total_weights": total,
        "weights_removed": nonzero - remaining,
        "remaining_weights": remaining,
        "sparsity": 1 - remaining / total,
        "compression_ratio": total / remaining if remaining else math.inf,
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive():
    """Half of six weights become 0: the three of smallest magnitude; the others stay as they were."""
    weights = np.array([[0.1, -2.0, 0.3], [-0.4, 5.0, -0.6]], dtype=np.float32)
    layer, _ = returned_pair(prune_weights_by_magnitude(dense_holding(weights, bias=[0.01, 0.02, 0.03]), 0.5), Dense)
    pruned = layer.weights.data
    removed = np.count_nonzero(pruned == 0)
    assert removed > 0, "half of the 6 weights must become 0, but your layer comes back with none: are they written?"
    assert removed == 3, f"a ratio of 0.5 must set round(0.5 * 6) = 3 of the 6 weights to 0, yours set {removed}"
    assert pruned[1, 1] == 5, f"5.0 is the largest weight and must stay, yours became {pruned[1, 1]}: the smallest go"
    assert pruned[0, 1] == -2, (
        f"-2.0 must stay, yours became {pruned[0, 1]}: magnitude is the distance from 0, whatever the sign"
    )
    assert np.array_equal(pruned, np.where(np.abs(weights) > 0.5, weights, 0)), (
        f"0.1, 0.3 and -0.4 must become 0 and the others stay as they were, your weights are {pruned.tolist()}"
    )


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive()


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive-exact_count", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive_exact_count():
    """Exactly round(pruning_ratio * n) of the n weights become 0, whatever the ratio and the weights."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(22)
    starts, cases = [], []
    ratios = (0.0, 0.1, 0.35, 0.5, 0.9, 1.0)
    for i, shape in enumerate([(1, 5), (7, 1), (6, 7), (1, 1)]):
        ties = rng.choice([-0.5, 0.5, 0.75], shape)
        for j, weights in enumerate([rng.standard_normal(shape), np.full(shape, -0.3), ties]):
            # Each shape meets all ratios, and so does each kind of weights.
            for ratio in ratios[(i + j) % 3 :: 3]:
                layer = dense_holding(weights, bias=np.zeros(shape[1]) if j == 1 else None)
                starts.append((weights.size, weights.ravel()[:5]))
                cases.append((layer, ratio))
    *got, by_default = outcomes(prune_weights_by_magnitude, [*cases, (random_dense(rng, 4, 5),)])
    for (_, ratio), (n, start), outcome in zip(cases, starts, got, strict=True):
        pruned, _ = returned_pair(outcome, Dense)
        zeros = np.count_nonzero(pruned.weights.data == 0)
        assert zeros == round(ratio * n), (
            f"pruning_ratio={ratio} must set round({ratio} * {n}) = {round(ratio * n)} of {n} weights to 0, "
            f"yours set {zeros}; the weights were {start}..."
        )
    pruned, _ = returned_pair(by_default, Dense)
    zeros = np.count_nonzero(pruned.weights.data == 0)
    assert zeros == 10, f"without a ratio half of 20 weights, 10, must become 0, yours set {zeros}"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive_exact_count()


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive-smallest", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive_smallest():
    """The removed weights are the smallest in magnitude, and the survivors are untouched."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(23)
    cases = [(random_dense(rng, 9, 8), 0.3), (random_dense(rng, 5, 12), 0.75), (random_dense(rng, 1, 40), 0.5)]
    given = [layer.weights.data.copy() for layer, _ in cases]
    for (_, ratio), before, outcome in zip(cases, given, outcomes(prune_weights_by_magnitude, cases), strict=True):
        pruned, _ = returned_pair(outcome, Dense)
        after = pruned.weights.data
        gone = after == 0
        assert 0 < gone.sum() < gone.size, (
            f"pruning_ratio={ratio} must remove some of {before.size} weights and keep some, yours removed {gone.sum()}"
        )
        assert np.array_equal(after[~gone], before[~gone]), (
            "the weights that stay must keep their values exactly, yours are changed"
        )
        largest_gone, smallest_kept = np.abs(before[gone]).max(), np.abs(before[~gone]).min()
        assert largest_gone <= smallest_kept, (
            f"no weight that stays may be smaller in magnitude than a removed one, "
            f"yours removed {largest_gone:.4f} and kept {smallest_kept:.4f}"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive_smallest()


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive-in_place", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive_in_place():
    """The given layer itself is pruned and comes back; bias, shape and dtype stay."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(24)
    layers = [random_dense(rng, 6, 5, use_bias) for use_bias in (True, False)]
    bias = layers[0].bias.data.copy()
    for layer, outcome in zip(
        layers, outcomes(prune_weights_by_magnitude, [(layer,) for layer in layers], pruning_ratio=0.6), strict=True
    ):
        returned, _ = returned_pair(outcome, Dense)
        assert returned is layer, "the layer that comes back must be the one given, yours is another one"
        weights = returned.weights.data
        assert np.any(weights == 0), "the given layer itself must be pruned, yours has no weight that is 0"
        assert np.any(weights), "a ratio of 0.6 must leave some weights, yours are all 0"
        assert weights.shape == (6, 5), f"the weights must keep their shape (6, 5), yours have {weights.shape}"
        sizes = returned.input_size, returned.output_size
        assert sizes == (6, 5), f"the layer must stay a Dense(6, 5), yours became a Dense{sizes}"
        assert weights.dtype == np.float32, f"the weights must stay float32, yours are {weights.dtype}"
        if layer is layers[0]:
            assert np.array_equal(bias_array(returned), bias), "the bias must stay as it was, yours is changed"
        else:
            assert returned.bias is None, "a layer without bias must stay without, yours has one now"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive_in_place()


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive-report", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive_report():
    """The report says what happened to the weights."""
    layer = dense_holding([[0.1, -2.0, 0.3], [-0.4, 5.0, -0.6]])
    pruned, info = returned_pair(prune_weights_by_magnitude(layer, 0.5), Dense)
    removed = np.count_nonzero(pruned.weights.data == 0)
    expected = {
        "pruning_ratio": 0.5,
        "total_weights": 6,
        "weights_removed": removed,
        "remaining_weights": 6 - removed,
        "sparsity": removed / 6,
        "compression_ratio": 6 / (6 - removed) if removed < 6 else math.inf,
    }
    assert_report(info, expected, f"after pruning_ratio=0.5 your layer has {removed} of 6 weights at 0")
    ### BEGIN HIDDEN TESTS
    rng = check_rng(25)
    cases = [(random_dense(rng, 7, 9), ratio) for ratio in (0.3, 0.85, 1.0)]
    for layer, _ in cases:
        layer.bias = np.zeros(9)
    given = [layer.weights.data.copy() for layer, _ in cases]
    for (_, ratio), before, outcome in zip(cases, given, outcomes(prune_weights_by_magnitude, cases), strict=True):
        pruned, info = returned_pair(outcome, Dense)
        gone = pruned.weights.data == 0
        removed, remaining = int(gone.sum()), int(63 - gone.sum())
        expected = {
            "pruning_ratio": ratio,
            "total_weights": 63,
            "weights_removed": removed,
            "remaining_weights": remaining,
            "sparsity": removed / 63,
            "compression_ratio": 63 / remaining if remaining else math.inf,
        }
        situation = f"after pruning_ratio={ratio} your layer has {removed} of 63 weights removed"
        assert removed > 0, f"{situation}: some must be removed, for the report to tell of"
        assert_report(info, expected, situation)
        low = np.abs(before[gone]).max(initial=-math.inf)
        high = np.abs(before[~gone]).min(initial=math.inf)
        threshold = report_numbers(info, "threshold")
        one_number = threshold.ndim == 0 and not np.isnan(threshold)
        assert one_number, f"{situation}: the threshold must be one number, yours is {threshold}"
        # Where the wrong weights were removed, which another check sees, no threshold can be right.
        assert low > high or low * (1 - 1e-5) - 1e-6 <= threshold <= high * (1 + 1e-5) + 1e-6, (
            f"{situation}: no removed weight's magnitude (the largest is {low}) may be above the threshold, and no "
            f"survivor's (the smallest is {high}) below it; yours is {threshold}"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive_report()


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive-pruned_before", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive_pruned_before():
    """Weights that are 0 already count as the smallest, and are not removed a second time."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(26)
    before = random_dense(rng, 4, 5).weights.data.copy()
    before.flat[rng.permutation(20)[:8]] = 0
    cases = [(dense_holding(before), 0.2), (dense_holding(before), 0.4), (dense_holding(before), 0.6)]
    *got, of_another = outcomes(prune_weights_by_magnitude, [*cases, (random_dense(rng, 6, 5), 0.7)])
    for (_, ratio), removed, outcome in zip(cases, (0, 0, 4), got, strict=True):
        pruned, info = returned_pair(outcome, Dense)
        zeros = np.count_nonzero(pruned.weights.data == 0)
        situation = f"of 20 weights 8 were 0 before pruning_ratio={ratio}"
        assert zeros == 8 + removed, f"{situation}: {8 + removed} must be 0 afterwards, yours are {zeros}"
        expected = {"weights_removed": removed, "remaining_weights": 12 - removed, "sparsity": zeros / 20}
        assert_report(info, expected, situation)
    once, _ = returned_pair(of_another, Dense)
    first = once.weights.data.copy()
    twice, info = returned_pair(prune_weights_by_magnitude(once, 0.7), Dense)
    assert np.any(first == 0), "pruning at 0.7 must set weights to 0, yours set none"
    assert np.array_equal(twice.weights.data, first), (
        "pruning a second time at the same ratio must change nothing, yours changed the weights"
    )
    assert_report(info, {"weights_removed": 0}, "pruning a second time at the same ratio")
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive_pruned_before()


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive-bad_arguments", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive_bad_arguments():
    """A bad ratio or weights that are not finite raise ValueError, and the layer stays as it was."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(27)
    bad = []
    for ratio in (-0.1, 1.5, 50, math.nan, math.inf):
        bad.append((f"pruning_ratio={ratio}, which is not in [0, 1],", (random_dense(rng, 3, 4), ratio)))
    for value in (math.nan, math.inf, -math.inf):
        layer = random_dense(rng, 3, 4)
        layer.weights.data[rng.integers(3), rng.integers(4)] = value
        bad.append((f"a weight of {value}", (layer, 0.5)))
    good = [(random_dense(rng, 3, 4), ratio) for ratio in (0, 1, np.float32(0.5))]
    given = [snapshot_of(layer) for _, (layer, _) in bad]
    found = outcomes(prune_weights_by_magnitude, [*(case for _, case in bad), *good])
    for (what, (layer, _)), before, outcome in zip(bad, given, found):
        assert raised_value_error(outcome, what), f"{what} must raise ValueError, yours took it"
        assert is_as_before(layer, before), f"{what} must leave the layer as it was, yours changed it"
    for (_, ratio), outcome in zip(good, found[len(bad) :], strict=True):
        assert not raised_value_error(outcome, f"pruning_ratio={ratio}"), (
            f"pruning_ratio={ratio} is in [0, 1] and must be taken, yours raised ValueError"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive_bad_arguments()


# %% nbgrader={"grade": false, "grade_id": "prune_model_by_magnitude", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def prune_model_by_magnitude(model, pruning_ratio=0.5, scope="global"):
    """Prune every Dense layer of a Sequential by magnitude, in place.

    scope: "global" ranks all weights of the model together, "layer" applies the ratio to each layer by itself.
    Returns `(model, info)`; info holds the keys of `prune_weights_by_magnitude`, over the whole model, and `scope` and
    `layers`, a list of `{"index", "sparsity", "remaining_weights", "total_weights"}`, one for each Dense. Raises
    ValueError, before anything is modified, for a bad ratio or scope and for weights that are not all finite.
    """
    ### BEGIN SOLUTION
    if not 0 <= pruning_ratio <= 1:
        raise ValueError(f"pruning_ratio must be in [0, 1], not {pruning_ratio}")
    if scope not in ("global", "layer"):
        raise ValueError(f"scope must be 'global' or 'layer', not {scope!r}")
    dense = {i: layer for i, layer in enumerate(model.layers) if isinstance(layer, Dense)}
    if not all(np.isfinite(layer.weights.data).all() for layer in dense.values()):
        raise ValueError("weights must all be finite")

    nonzero = sum(np.count_nonzero(layer.weights.data) for layer in dense.values())
    if scope == "layer" or not dense:
        infos = [prune_weights_by_magnitude(layer, pruning_ratio)[1] for layer in dense.values()]
        threshold = max((info["threshold"] for info in infos), default=0.0)
    else:  # all weights in one long layer, pruned and handed back
        arrays = [layer.weights.data for layer in dense.values()]
        flat = np.concatenate([array.ravel() for array in arrays])
        joined = Dense(1, flat.size, use_bias=False)
        joined.weights = flat[np.newaxis]
        joined, info = prune_weights_by_magnitude(joined, pruning_ratio)
        threshold = info["threshold"]
        ends = np.cumsum([array.size for array in arrays])
        for array, part in zip(arrays, np.split(joined.weights.data[0], ends[:-1]), strict=True):
            array[...] = part.reshape(array.shape)

    layers = [
        {
            "index": i,
            "sparsity": calculate_sparsity(layer),
            "remaining_weights": np.count_nonzero(layer.weights.data),
            "total_weights": layer.weights.size,
        }
        for i, layer in dense.items()
    ]
    total = sum(entry["total_weights"] for entry in layers)
    remaining = sum(entry["remaining_weights"] for entry in layers)
    return model, {
        "pruning_ratio": pruning_ratio,
        "threshold": threshold,
        "total_weights": total,
        "weights_removed": nonzero - remaining,
        "remaining_weights": remaining,
        "sparsity": 1 - remaining / total if total else 0.0,
        "compression_ratio": total / remaining if remaining else math.inf,
        "scope": scope,
        "layers": layers,
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive-model_global", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive_model_global():
    """Global pruning ranks all weights of the model together: a layer of small weights loses more."""
    small, large = dense_holding([[0.1, -0.2], [0.3, 0.4]]), dense_holding([[5.0, -6.0], [0.35, 8.0]])
    pruned, _ = returned_pair(prune_model_by_magnitude(Sequential([small, ReLU(), large]), 0.5), Sequential)
    zeros = [np.count_nonzero(dense_at(pruned, i).weights.data == 0) for i in (0, 2)]
    assert zeros == [3, 1], (
        "of 8 weights 0.1, -0.2, 0.3, 0.4 in one layer and 5, -6, 0.35, 8 in the other, the 4 smallest are 3 of the "
        f"first and 1 of the second, yours set {zeros[0]} and {zeros[1]} to 0"
    )
    ### BEGIN HIDDEN TESTS
    rng = check_rng(28)
    indices = (0, 2, 3)
    cases = []
    for ratio in (0.25, 0.35, 0.7):
        model = Sequential([random_dense(rng, 7, 9), Tanh(), random_dense(rng, 9, 5, False), random_dense(rng, 5, 1)])
        model.layers[2].weights.data *= 3
        cases.append((model, ratio, "global"))
    given = [np.concatenate([model.layers[i].weights.data.ravel() for i in indices]) for model, _, _ in cases]
    tied = Sequential([dense_holding(np.full((2, 3), 0.5)), ReLU(), dense_holding(np.full((3, 3), -0.5))])
    model = Sequential([random_dense(rng, 1, 3), Tanh(), random_dense(rng, 3, 1), random_dense(rng, 1, 3)])
    by_default = [(model, 0.5), (Sequential([random_dense(rng, 4, 5)]),)]
    found = outcomes(prune_model_by_magnitude, [*cases, (tied, 0.4, "global"), *by_default])
    *got, of_tied, without_scope, without_ratio = found
    for (_, ratio, _), before, outcome in zip(cases, given, got, strict=True):
        pruned, _ = returned_pair(outcome, Sequential)
        after = np.concatenate([dense_at(pruned, i).weights.data.ravel() for i in indices])
        gone = after == 0
        k = round(ratio * before.size)
        assert gone.sum() == k, (
            f"pruning_ratio={ratio} must set round({ratio} * {before.size}) = {k} of all {before.size} weights to 0, "
            f"yours set {gone.sum()}"
        )
        assert np.array_equal(after[~gone], before[~gone]), "weights that stay must keep their values, yours changed"
        largest_gone = np.abs(before[gone]).max(initial=0)
        smallest_kept = np.abs(before[~gone]).min(initial=math.inf)
        assert largest_gone <= smallest_kept, (
            f"no weight that stays may be smaller in magnitude than a removed one, in whichever layer; "
            f"yours removed {largest_gone:.4f} and kept {smallest_kept:.4f}"
        )
    pruned, _ = returned_pair(of_tied, Sequential)
    zeros = sum(np.count_nonzero(dense_at(pruned, i).weights.data == 0) for i in (0, 2))
    assert zeros == 6, f"of 15 weights that tie, 0.4 must remove round(0.4 * 15) = 6, yours removed {zeros}"
    pruned, _ = returned_pair(without_scope, Sequential)
    zeros = sum(np.count_nonzero(dense_at(pruned, i).weights.data == 0) for i in indices)
    assert zeros == 4, f"half of 9 weights in three layers are round(0.5 * 9) = 4, over all of them; yours set {zeros} to 0"
    pruned, _ = returned_pair(without_ratio, Sequential)
    zeros = np.count_nonzero(dense_at(pruned, 0).weights.data == 0)
    assert zeros == 10, f"without a ratio half of the 20 weights, 10, must become 0, yours set {zeros}"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive_model_global()


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive-model_by_layer", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive_model_by_layer():
    """With scope="layer" each layer loses the same ratio of its own weights, the smallest ones."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(29)
    cases = []
    for ratio in (0.3, 0.5):
        model = Sequential([random_dense(rng, 2, 5), ReLU(), random_dense(rng, 5, 8), random_dense(rng, 8, 3, False)])
        model.layers[2].weights.data *= 20
        cases.append((model, ratio))
    given = [{i: model.layers[i].weights.data.copy() for i in (0, 2, 3)} for model, _ in cases]
    got = outcomes(prune_model_by_magnitude, cases, scope="layer")
    for (_, ratio), before, outcome in zip(cases, given, got, strict=True):
        pruned, _ = returned_pair(outcome, Sequential)
        for i, weights in before.items():
            after = dense_at(pruned, i).weights.data
            smallest = np.argsort(np.abs(weights), axis=None)[: round(ratio * weights.size)]
            expected = weights.copy()
            expected.flat[smallest] = 0
            assert np.array_equal(after, expected), (
                f"scope='layer', pruning_ratio={ratio}: layer {i} must lose the round({ratio} * {weights.size}) = "
                f"{len(smallest)} smallest of its weights and keep the others, yours has {(after == 0).sum()} zeros"
            )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive_model_by_layer()


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive-model_in_place", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive_model_in_place():
    """The given model itself comes back, with the same layers, each Dense pruned, every bias as it was."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(210)
    cases = []
    for scope in ("global", "layer"):
        model = Sequential([random_dense(rng, 4, 5), ReLU(), random_dense(rng, 5, 4, False), Softmax()])
        cases.append((model, 0.5, scope))
    given = [(list(model.layers), model.layers[0].bias.data.copy()) for model, _, _ in cases]
    got = outcomes(prune_model_by_magnitude, cases)
    for (model, _, scope), (layers, bias), outcome in zip(cases, given, got, strict=True):
        returned, _ = returned_pair(outcome, Sequential)
        assert returned is model, f"scope={scope!r}: the model that comes back must be the one given, yours is another"
        assert len(returned.layers) == 4, f"scope={scope!r}: the model must keep its 4 layers, yours has others"
        for i, layer in enumerate(layers):
            assert returned.layers[i] is layer, f"scope={scope!r}: layer {i} must stay the same object, yours is another"
        for i, shape in ((0, (4, 5)), (2, (5, 4))):
            weights = returned.layers[i].weights.data
            assert weights.shape == shape, f"layer {i} must keep its shape {shape}, yours is {weights.shape}"
            sizes = layers[i].input_size, layers[i].output_size
            assert sizes == shape, f"scope={scope!r}: layer {i} must stay a Dense{shape}, yours became a Dense{sizes}"
            assert np.any(weights == 0), f"scope={scope!r}: layer {i} of the given model must be pruned, yours is not"
            assert np.any(weights), f"scope={scope!r}: half of the weights must stay, yours are all 0 in layer {i}"
        assert np.array_equal(bias_array(returned.layers[0]), bias), f"scope={scope!r}: the bias must stay, yours changed"
        assert returned.layers[2].bias is None, f"scope={scope!r}: a layer without bias must stay without, yours has one"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive_model_in_place()


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive-model_report", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive_model_report():
    """The report counts over the whole model, and layer by layer."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(211)
    cases = []
    for ratio, scope in [(0.4, "global"), (0.4, "layer"), (1.0, "global")]:
        model = Sequential([random_dense(rng, 6, 7), ReLU(), Tanh(), random_dense(rng, 7, 4, False)])
        model.layers[3].weights.data *= 2
        model.layers[0].weights.data[0, :3] = 0
        cases.append((model, ratio, scope))
    given = [{i: model.layers[i].weights.data.copy() for i in (0, 3)} for model, _, _ in cases]
    got = outcomes(prune_model_by_magnitude, cases)
    for (_, ratio, scope), before, outcome in zip(cases, given, got, strict=True):
        pruned, info = returned_pair(outcome, Sequential)
        gone = {i: dense_at(pruned, i).weights.data == 0 for i in before}
        zeros = int(sum(mask.sum() for mask in gone.values()))
        expected = {
            "pruning_ratio": ratio,
            "total_weights": 70,
            "weights_removed": zeros - 3,
            "remaining_weights": 70 - zeros,
            "sparsity": zeros / 70,
            "compression_ratio": 70 / (70 - zeros) if zeros < 70 else math.inf,
            "scope": scope,
        }
        situation = f"after scope={scope!r}, pruning_ratio={ratio} your model has {zeros} of 70 weights at 0, 3 before"
        assert zeros > 3, f"{situation}: more must become 0, for the report to tell of"
        assert_report(info, expected, situation)
        lows = [np.abs(before[i][gone[i] & (before[i] != 0)]).max(initial=-math.inf) for i in before]
        highs = [np.abs(before[i][~gone[i]]).min(initial=math.inf) for i in before]
        low, high = max(lows), min(highs) if scope == "global" else max(highs)
        threshold = report_numbers(info, "threshold")
        one_number = threshold.ndim == 0 and not np.isnan(threshold)
        assert one_number, f"{situation}: the threshold must be one number, yours is {threshold}"
        assert low > high or low * (1 - 1e-5) - 1e-6 <= threshold <= high * (1 + 1e-5) + 1e-6, (
            f"{situation}: the threshold must be between {low} (the largest removed) and {high}, yours is {threshold}"
        )
        entries = report_field(info, "layers")
        count = len(entries) if isinstance(entries, (list, tuple)) else 0
        assert count == 2, f"'layers' must be a list of 2 entries, one for each Dense, yours is {entries}"
        for (i, mask), entry in zip(gone.items(), entries, strict=True):
            expected = {
                "index": i,
                "sparsity": mask.mean(),
                "remaining_weights": int((~mask).sum()),
                "total_weights": mask.size,
            }
            assert_report(entry, expected, f"{situation}; the entry of layer {i} in 'layers'")
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive_model_report()


# %% nbgrader={"grade": true, "grade_id": "test_magnitude_pruning_comprehensive-model_bad_arguments", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_magnitude_pruning_comprehensive_model_bad_arguments():
    """A bad ratio, an unknown scope or weights that are not finite raise ValueError; ratios of 0 and 1 do not."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(212)

    def new_model():
        return Sequential([random_dense(rng, 3, 4), ReLU(), random_dense(rng, 4, 2)])

    bad = []
    for ratio, scope in [
        *[(-0.5, "global"), (1.01, "layer"), (math.nan, "global"), (math.nan, "layer")],
        *[(0.5, "model"), (0.5, "")],
    ]:
        bad.append((f"pruning_ratio={ratio}, scope={scope!r}", (new_model(), ratio, scope)))
    for value, scope in [(math.nan, "layer"), (math.inf, "layer"), (math.nan, "global"), (-math.inf, "global")]:
        model = new_model()
        model.layers[2].weights.data[1, 1] = value
        bad.append((f"a weight of {value} in the last layer (scope={scope!r})", (model, 0.5, scope)))
    good = [(new_model(), ratio, scope) for scope in ("global", "layer") for ratio in (0.0, 1.0)]
    given = [snapshot_of(model) for _, (model, *_) in bad]
    found = outcomes(prune_model_by_magnitude, [*(case for _, case in bad), *good])
    for (what, (model, *_)), before, outcome in zip(bad, given, found):
        assert raised_value_error(outcome, what), f"{what} must raise ValueError, yours took it"
        assert is_as_before(model, before), f"{what} must leave the whole model as it was, yours changed it"
    for (_, ratio, scope), outcome in zip(good, found[len(bad) :], strict=True):
        pruned, _ = returned_pair(outcome, Sequential)
        zeros = sum(np.count_nonzero(dense_at(pruned, i).weights.data == 0) for i in (0, 2))
        assert zeros == 20 * ratio, (
            f"pruning_ratio={ratio}, scope={scope!r} must set {20 * ratio:.0f} of 20 weights to 0, not {zeros}"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_magnitude_pruning_comprehensive_model_bad_arguments()


# %% [markdown]
# ### Experiment: accuracy against sparsity
#
# The network is pruned at rising ratios, with one ranking over the model (`"global"`) and in each layer alone
# (`"layer"`), and tested as it is. Then the surviving weights are trained on for 12 epochs, while a function called
# after each step sets the pruned ones back to 0. Each point is the mean of four splits.

# %% nbgrader={"grade": false, "grade_id": "experiment-pruning", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["experiment"]
def experiment_accuracy_against_sparsity():
    if not RUN_EXPERIMENTS:
        return
    splits = range(4)
    ratios = [0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98]
    curves = {}
    for scope in ("global", "layer"):
        before, after = np.zeros((2, len(ratios), len(splits)))
        for i, ratio in enumerate(ratios):
            for split in splits:
                model, _ = prune_model_by_magnitude(trained_network(split), ratio, scope)
                before[i, split] = accuracy_on_digits(model, split)
                train_on_digits(model, split, epochs=12, after_step=hold_zeros(model))
                after[i, split] = accuracy_on_digits(model, split)
        curves[f"{scope}, pruned"] = before.mean(axis=1)
        curves[f"{scope}, pruned and retrained"] = after.mean(axis=1)

    figure, (left, right) = new_picture(2)
    percent = 100 * np.array(ratios)
    print("sparsity (%)".ljust(31), *(f"{p:6.0f}" for p in percent))
    for style, (name, values) in zip(STYLES, curves.items()):
        left.plot(percent, values, label=name, **style)
        print(f"{name:31}", *(f"{value:6.2f}" for value in values))
    left.set(xlabel="sparsity (% of the weights that are 0)", ylabel="accuracy (%)", ylim=(0, 103))
    left.legend(loc="lower left", fontsize=8)

    for offset, scope, hatch in ((-0.2, "global", ""), (0.2, "layer", "///")):
        _, info = prune_model_by_magnitude(trained_network(), 0.9, scope)
        density = [100 * (1 - entry["sparsity"]) for entry in info["layers"]]
        places = np.arange(len(density)) + offset
        color = STYLES[0 if scope == "global" else 2]["color"]
        right.bar(places, density, 0.4, color=color, edgecolor="white", hatch=hatch, label=scope)
        for place, value in zip(places, density):
            right.text(place, value, f"{value:.0f}", ha="center", va="bottom")
    right.set_xticks(range(3), ["64 to 128", "128 to 64", "64 to 10"])
    right.set(xlabel="layer", ylabel="weights left at 90 % sparsity (%)")
    right.margins(y=0.1)
    right.legend()

    at_90 = {name: values[ratios.index(0.9)] for name, values in curves.items()}
    dense = curves["global, pruned"][0]
    show_picture(
        figure,
        f"Left: accuracy against sparsity, mean of {len(splits)} splits; the dense network has {dense:.1f} %. At 90 % "
        f"sparsity global pruning alone leaves {at_90['global, pruned']:.1f} %, layer-wise "
        f"{at_90['layer, pruned']:.1f} %; with retraining it is {at_90['global, pruned and retrained']:.1f} % and "
        f"{at_90['layer, pruned and retrained']:.1f} %. Right: which layers keep weights at 90 % sparsity. The global "
        "ranking leaves more of them in the last layer, which has the fewest.",
    )


experiment_accuracy_against_sparsity()


# %% [markdown]
# "High sparsity costs accuracy" is thus half the truth: it holds without retraining. Han, Mao, Dally report the same
# for LeNet-300-100 on larger images: pruned and retrained with 8 % of its weights, then quantized, its error is 1.58 %
# after 1.64 % for the original, and its three layers keep 8, 9 and 26 % of their weights. The small last layer needs
# more of its weights there, as it does here.
#
# Which weights would be enough from the start? The *lottery ticket hypothesis* (Frankle and Carbin 2019, arXiv
# 1803.03635) says that a sparse network of under 10 to 20 % of the size of several networks can be trained alone, if
# its weights begin from their original initial values.

# %% [markdown]
# ## Step 3: Quantization Experiments
#
# A weight in float32 takes 32 bits. *Quantization* keeps an integer of few bits instead, and for the whole layer one
# `scale` and one `zero_point` that turn the integers back into weights. For $b$ bits the integers run from 0 to
# $2^b - 1$:
#
# $$\text{scale} = \frac{w_{\max} - w_{\min}}{2^b - 1}, \qquad
#   \text{zero\_point} = \operatorname{round}\!\left(\frac{-w_{\min}}{\text{scale}}\right)$$
#
# $$q = \operatorname{clip}\!\left(\operatorname{round}\!\left(\frac{w}{\text{scale}}\right) + \text{zero\_point},\ 0,\
#   2^b - 1\right), \qquad \hat{w} = (q - \text{zero\_point}) \cdot \text{scale}$$
#
# with $w_{\min} = \min(0, \min w)$ and $w_{\max} = \max(0, \max w)$. This is *affine* quantization as ONNX
# (QuantizeLinear, DynamicQuantizeLinear) and PyTorch (`quantize_per_tensor`) define it. Three things follow:
#
# - **The grid holds 0.** Because the range is widened to include 0 and `zero_point` is an integer, $w = 0$ becomes $q =
#   \text{zero\_point}$ and comes back as exactly 0.0. Without that, a pruned layer would lose its zeros.
# - **No error exceeds half a step**, $|\hat{w} - w| \le \text{scale} / 2$. One bit less doubles the step.
# - **The weights in the layer are still floats**: $\hat{w}$, at most $2^b$ distinct values. They take up less memory
#   only where the integers are stored, $\lceil n b / 8 \rceil$ bytes for $n$ weights.
#
# The second function quantizes *per channel*, the scheme deployed for int8 weights (TFLite uses the range [-127, 127]):
# one scale for each neuron $j$, symmetric around 0, with signed integers and zero point 0:
#
# $$\text{scale}_j = \frac{\max_i |w_{ij}|}{2^{b-1} - 1}, \qquad q_{ij} = \operatorname{round}(w_{ij} / \text{scale}_j),
#   \qquad \hat{w}_{ij} = q_{ij} \cdot \text{scale}_j$$
#
# A neuron with small weights then gets small steps, whatever the other neurons hold.
#
# **Contract of `quantize_layer_weights` and `quantize_layer_weights_per_channel`** (20 points, 4 of them for the second)
#
# | call | what holds |
# |---|---|
# | `quantize_layer_weights(layer, bits=8)` | returns `(layer, info)`; in place: the same layer object; `bits` from 1 to 16 |
# | | the layer's weights become `(q - zero_point) * scale` as float32, by the formulas above; the bias is untouched |
# | | 0.0 stays exactly 0.0; no error exceeds `scale / 2` (plus 1e-6 of the largest weight); at most `2**bits` distinct values |
# | | quantizing again at the same `bits` gives the same integers (exact ties aside) |
# | | a layer of only zeros: `scale` 1.0, `zero_point` 0 |
# | its `info` | `bits`; `scale`: a float; `zero_point`: an integer from 0 to `2**bits - 1` |
# | | `min_val`, `max_val`: smallest and largest original weight (not widened to 0) |
# | | `quantized_weights`: the integers `q` in the shape of the weights, uint8 up to 8 bits, else uint16 |
# | | `total_weights`: `n`; `original_bytes`: `4 * n`; `quantized_bytes`: `ceil(n * bits / 8)`; `memory_reduction`: `32 / bits` |
# | | `mse_error`, `max_error`: mean of the squared error and largest magnitude of the error, of the new weights against the original ones |
# | | `original_dtype`: its name, a string: `"float32"` |
# | `quantize_layer_weights_per_channel(layer, bits=8)` | the same, with the per-channel formulas; `bits` from 2 to 16; a neuron of only zeros has scale 1.0 |
# | its `info` | the same keys; `scale`: an array `(output_size,)`; `zero_point`: 0; `quantized_weights`: int8 up to 8 bits, else int16 |
# | `bits` that is not an integer (Python's `int`, NumPy's `int32` or `int64`, not a bool) in its range; weights that are not all finite | `ValueError`, and nothing was modified |
#
# How exactly the checks compare: integers up to 1 (a float32 and a float64 computation may round differently), `scale`
# up to 1e-5 relative, `max_error` and `mse_error` up to 1 % (plus 1e-6 of the largest weight, or of its square).

# %% nbgrader={"grade": false, "grade_id": "quantize_layer_weights", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def quantize_layer_weights(layer, bits=8):
    """Round a layer's weights, in place, to `2**bits` evenly spaced values that include 0: affine, unsigned.

    Returns `(layer, info)`; info holds `bits`, `scale`, `zero_point`, `min_val`, `max_val`, `quantized_weights`,
    `total_weights`, `original_bytes`, `quantized_bytes`, `memory_reduction`, `mse_error`, `max_error` and
    `original_dtype`. Raises ValueError, before anything is modified, unless bits is an integer from 1 to 16 and the
    weights are all finite.
    """
    ### BEGIN SOLUTION
    if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not 1 <= bits <= 16:
        raise ValueError(f"bits must be an integer from 1 to 16, not {bits!r}")
    weights = layer.weights.data
    min_val, max_val = float(weights.min()), float(weights.max())  # a NaN anywhere makes them NaN
    if not (math.isfinite(min_val) and math.isfinite(max_val)):
        raise ValueError("weights must all be finite")

    levels = 2 ** int(bits) - 1
    w_min, w_max = min(0.0, min_val), max(0.0, max_val)  # the grid must hold 0
    scale = (w_max - w_min) / levels if w_max > w_min else 1.0
    zero_point = round(-w_min / scale)

    # Large arrays are written in place: on a large layer a new array costs more than the arithmetic.
    steps = weights / scale  # the weights, in steps of the grid
    rounded = np.rint(steps)
    np.clip(rounded, -zero_point, levels - zero_point, out=rounded)
    np.multiply(rounded, scale, out=weights)
    steps -= rounded  # the errors, in steps of the grid
    rounded += zero_point
    return layer, {
        "bits": bits,
        "scale": scale,
        "zero_point": zero_point,
        "min_val": min_val,
        "max_val": max_val,
        "quantized_weights": rounded.astype(np.uint8 if bits <= 8 else np.uint16),
        "total_weights": weights.size,
        "original_bytes": 4 * weights.size,
        "quantized_bytes": math.ceil(weights.size * bits / 8),
        "memory_reduction": 32 / bits,
        "mse_error": float(np.vdot(steps, steps)) / weights.size * scale**2,
        "max_error": max(float(steps.max()), -float(steps.min())) * scale,
        "original_dtype": str(weights.dtype),
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_quantization_comprehensive", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
def test_quantization_comprehensive():
    """Four weights at 2 bits: the grid, the integers and the weights that come back."""
    weights = np.array([[-1.0, 0.0], [0.9, 2.0]], dtype=np.float32)
    layer, info = returned_pair(quantize_layer_weights(dense_holding(weights, bias=[0.5, 0.25]), 2), Dense)
    scale, zero_point, integers = (report_numbers(info, key) for key in ("scale", "zero_point", "quantized_weights"))
    assert agrees_with(scale, 1.0), (
        f"from -1 to 2 there are 2**2 - 1 = 3 steps, so the scale must be 1.0, yours is {scale}"
    )
    assert agrees_with(zero_point, 1), (
        f"0.0 is one step above the smallest weight, so zero_point must be 1, yours is {zero_point}"
    )
    assert np.array_equal(integers, [[0, 1], [2, 3]]), (
        f"-1, 0, 0.9 and 2 must become the integers 0, 1, 2 and 3, yours are {integers.tolist()}: rounded to the "
        "nearest, plus the zero point"
    )
    after = layer.weights.data
    assert not np.array_equal(after, weights), "0.9 must become 1.0, but your layer's weights are what they were"
    assert agrees_with(after, [[-1, 0], [1, 2]]), (
        f"the layer's weights must become -1, 0, 1 and 2, (q - zero_point) * scale, yours are {after.tolist()}"
    )


with warnings.catch_warnings(action="ignore"):
    test_quantization_comprehensive()


# %% nbgrader={"grade": true, "grade_id": "test_quantization_comprehensive-grid", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_quantization_comprehensive_grid():
    """Scale, zero point and integers are those of the affine scheme, for 1 to 16 bits."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(31)
    offsets = [(1, 0.3), (2, -0.5), (4, 0), (8, 4), (8, -0.2), (11, -6), (16, 0.4)]
    cases = [(dense_holding(rng.standard_normal((7, 6)) + offset), bits) for bits, offset in offsets]
    given = [layer.weights.data.astype(np.float64) for layer, _ in cases]
    for (_, bits), w, outcome in zip(cases, given, outcomes(quantize_layer_weights, cases), strict=True):
        _, info = returned_pair(outcome, Dense)
        low, high = min(w.min(), 0), max(w.max(), 0)
        step = (high - low) / (2**bits - 1)
        zero = np.rint(-low / step)
        what = f"weights from {w.min():.4f} to {w.max():.4f} at {bits} bits"
        scale, zero_point, q = (report_numbers(info, key) for key in ("scale", "zero_point", "quantized_weights"))
        assert agrees_with(scale, step, atol=0), (
            f"{what}: scale must be {step}, the range widened to include 0 over 2**bits - 1 steps, yours is {scale}"
        )
        assert is_an_integer(zero_point), f"{what}: zero_point must be an integer, yours is {zero_point}"
        assert abs(int(zero_point) - zero) <= 1, f"{what}: zero_point must be {zero:.0f}, yours is {zero_point}"
        assert 0 <= zero_point < 2**bits, f"{what}: zero_point must be from 0 to {2**bits - 1}, yours is {zero_point}"
        dtype = "uint8" if bits <= 8 else "uint16"
        assert q.dtype == dtype, f"{what}: the integers must be {dtype}, yours are {q.dtype}"
        assert q.shape == w.shape, f"{what}: the integers must have the weights' shape {w.shape}, yours {q.shape}"
        assert q.max() < 2**bits, f"{what}: no integer may exceed {2**bits - 1}, yours go up to {q.max()}"
        expected = np.clip(np.rint(w / step) + zero, 0, 2**bits - 1)
        worst = int(np.abs(q - expected).max())
        assert worst <= 1, f"{what}: the integers are off by up to {worst} from round(w / scale) + zero_point"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_quantization_comprehensive_grid()


# %% nbgrader={"grade": true, "grade_id": "test_quantization_comprehensive-weights", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_quantization_comprehensive_weights():
    """The layer's weights are on the grid that the report describes, each at the nearest grid point."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(32)
    offsets = [(1, 0.4), (3, 0), (5, 3), (8, 0), (12, -5), (16, 0.1)]
    cases = [(dense_holding(rng.standard_normal((8, 7)) + offset), bits) for bits, offset in offsets]
    given = [layer.weights.data.copy() for layer, _ in cases]
    for (_, bits), before, outcome in zip(cases, given, outcomes(quantize_layer_weights, cases), strict=True):
        layer, info = returned_pair(outcome, Dense)
        after = layer.weights.data
        what = f"weights from {before.min():.4f} to {before.max():.4f} at {bits} bits"
        values = len(set(after.ravel().tolist()))
        assert 1 < values <= 2**bits, f"{what}: 2 to {2**bits} distinct weights may remain, yours has {values}"
        span = max(float(before.max()), 0) - min(float(before.min()), 0)
        largest = np.abs(before).max()
        error = np.abs(after.astype(np.float64) - before).max()
        assert error <= span / (2**bits - 1) / 2 * (1 + 1e-5) + 1e-6 * largest, (
            f"{what}: no weight may move by more than half a step, {span / (2**bits - 1) / 2}, one of yours by {error}"
        )
        scale, zero_point, q = (report_numbers(info, key) for key in ("scale", "zero_point", "quantized_weights"))
        assert q.shape == after.shape, f"{what}: the integers must have the weights' shape {after.shape}, not {q.shape}"
        expected = (q.astype(np.float64) - zero_point) * scale
        assert agrees_with(after, expected), (
            f"{what}: the weights must be (q - zero_point) * scale of your own report; with your q of {q[0]} and "
            f"zero_point {zero_point} your first row is {after[0]}"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_quantization_comprehensive_weights()


# %% nbgrader={"grade": true, "grade_id": "test_quantization_comprehensive-zero", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_quantization_comprehensive_zero():
    """0.0 stays exactly 0.0, so that a pruned layer keeps its sparsity, whatever the range of the weights."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(33)
    zeros = rng.permutation(30)[:12]
    whats, cases = [], []
    ranges = [(-0.3, 1.1), (0.5, 2.0), (-3.0, -1.0), (-100.0, 1.0)]
    for i, bits in enumerate((2, 4, 7, 8, 12)):
        # A range that includes 0 and one that does not, in turns.
        for low, high in ranges[i % 2 :: 2]:
            weights = rng.uniform(low, high, (5, 6))
            weights.flat[zeros] = 0
            whats.append(f"weights from {low} to {high} at {bits} bits")
            cases.append((dense_holding(weights), bits))
    given = [layer.weights.data.copy() for layer, _ in cases]
    found = outcomes(quantize_layer_weights, cases)
    for what, (_, bits), before, outcome in zip(whats, cases, given, found, strict=True):
        layer, _ = returned_pair(outcome, Dense)
        after = layer.weights.data
        assert not np.array_equal(after, before), f"{what} must be rounded, yours are what they were"
        were_zero = after.ravel()[zeros]
        kept = 12 - np.count_nonzero(were_zero)
        assert kept == 12, (
            f"{what}: 12 weights were 0.0 before and must be 0.0 afterwards, of yours {kept} are; one became "
            f"{were_zero[np.argmax(np.abs(were_zero))]}"
        )
        assert np.any(after), f"{what}: some must stay other than 0, yours all became 0"
        step = (max(before.max(), 0) - min(before.min(), 0)) / (2**bits - 1)
        error = np.abs(after - before).max()
        assert error <= step * (1 + 1e-4), (
            f"{what}: no weight may move by more than a step, {step}, one of yours by {error}"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_quantization_comprehensive_zero()


# %% nbgrader={"grade": true, "grade_id": "test_quantization_comprehensive-degenerate", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_quantization_comprehensive_degenerate():
    """Layers of only zeros, of one constant, of one weight or of one sign are quantized without a NaN."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(34)
    widths = (2, 8, 12)
    zeros = [(dense_holding(np.zeros((3, 4)), bias=np.ones(4)), bits) for bits in widths]
    cases, expected = [], []
    for bits in widths:
        constant = float(rng.uniform(0.1, 5))
        for array in (np.full((4, 3), constant), np.full((4, 3), -constant), np.full((1, 1), constant)):
            cases.append((dense_holding(array), bits))
            expected.append((array, constant))
    found = outcomes(quantize_layer_weights, [*zeros, *cases])
    for bits, outcome in zip(widths, found):
        layer, info = returned_pair(outcome, Dense)
        what = f"a layer of only zeros at {bits} bits"
        assert_report(info, {"scale": 1.0, "zero_point": 0, "mse_error": 0.0, "max_error": 0.0}, what)
        integers = report_numbers(info, "quantized_weights")
        assert np.array_equal(integers, np.zeros((3, 4))), f"{what}: all 3 x 4 integers must be 0, yours are {integers}"
        assert np.array_equal(layer.weights.data, np.zeros((3, 4))), f"{what}: all weights must stay 0, yours do not"
    for (_, bits), (array, constant), outcome in zip(cases, expected, found[len(zeros) :], strict=True):
        layer, info = returned_pair(outcome, Dense)
        what = f"a layer of only {array[0, 0]:.4f} at {bits} bits"
        assert agrees_with(layer.weights.data, array), (
            f"{what}: the end of the range is on the grid and must stay, yours became {layer.weights.data[0]}"
        )
        scale = report_numbers(info, "scale")
        assert agrees_with(scale, constant / (2**bits - 1), atol=0), (
            f"{what}: scale must be {constant / (2**bits - 1)}, yours is {scale}"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_quantization_comprehensive_degenerate()


# %% nbgrader={"grade": true, "grade_id": "test_quantization_comprehensive-repeat", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_quantization_comprehensive_repeat():
    """Quantizing a second time with the same bits gives the same integers and weights."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(35)
    arrays = rng.uniform(-1, 1.5, (3, 6, 5)).astype(np.float32)
    arrays[:, 0, 0], arrays[:, 5, 4] = -1, 1.5
    cases = list(zip(map(dense_holding, arrays), (3, 8, 12), strict=True))
    once = [returned_pair(outcome, Dense) for outcome in outcomes(quantize_layer_weights, cases)]
    kept = [(layer.weights.data.copy(), report_numbers(info, "quantized_weights").copy()) for layer, info in once]
    cases = [(layer, bits) for (layer, _), bits in zip(once, (3, 8, 12), strict=True)]
    twice = outcomes(quantize_layer_weights, cases)
    for (_, bits), given, (first, integers), outcome in zip(cases, arrays, kept, twice, strict=True):
        layer, info = returned_pair(outcome, Dense)
        assert len(set(integers.ravel().tolist())) > 1, (
            f"{bits} bits: weights from -1 to 1.5 must not all become one integer, yours do"
        )
        assert integers.shape == (6, 5), f"{bits} bits: there must be 6 x 5 integers, yours have shape {integers.shape}"
        assert not np.array_equal(first, given), f"{bits} bits: the weights must be rounded, yours are not"
        assert agrees_with(first, given, rtol=0, atol=2.6 / (2**bits - 1)), (
            f"{bits} bits: no weight may move by more than a step, {2.5 / (2**bits - 1)}, yours became {first[0]}"
        )
        again = report_numbers(info, "quantized_weights")
        assert np.array_equal(again, integers), (
            f"{bits} bits: quantizing again must give the same integers, yours go from {integers[0]} to {again[0]}"
        )
        assert agrees_with(layer.weights.data, first), f"{bits} bits: quantizing again must keep the weights, yours changed"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_quantization_comprehensive_repeat()


# %% nbgrader={"grade": true, "grade_id": "test_quantization_comprehensive-report", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_quantization_comprehensive_report():
    """The report gives range, bytes and errors of the weights before and after."""
    _, info = returned_pair(quantize_layer_weights(dense_holding(np.linspace(-1, 2, 30).reshape(5, 6)), 4), Dense)
    expected = {
        "bits": 4,
        "min_val": -1.0,
        "max_val": 2.0,
        "total_weights": 30,
        "original_bytes": 120.0,
        "quantized_bytes": 15.0,
        "memory_reduction": 8.0,
        "original_dtype": "float32",
    }
    assert_report(info, expected, "30 weights from -1 to 2 at 4 bits")
    ### BEGIN HIDDEN TESTS
    rng = check_rng(36)
    both_signs = rng.standard_normal((5, 7))  # with either sign: the largest error is up once, and down once
    cases = [
        (dense_holding(weights, bias=np.full(7, 10)), bits)
        for bits, weights in [
            (3, rng.standard_normal((5, 7)) + 5),
            (5, both_signs),
            (5, -both_signs),
            (8, rng.standard_normal((5, 7)) - 4),
            (12, rng.standard_normal((5, 7)) + 0.5),
        ]
    ]
    given = [layer.weights.data.astype(np.float64) for layer, _ in cases]
    for (_, bits), before, outcome in zip(cases, given, outcomes(quantize_layer_weights, cases), strict=True):
        layer, info = returned_pair(outcome, Dense)
        error = layer.weights.data.astype(np.float64) - before
        expected = {
            "bits": bits,
            "min_val": before.min(),
            "max_val": before.max(),
            "total_weights": 35,
            "original_bytes": 140.0,
            "quantized_bytes": float((35 * bits + 7) // 8),
            "memory_reduction": 32 / bits,
            "original_dtype": "float32",
        }
        what = f"35 weights from {before.min():.4f} to {before.max():.4f} at {bits} bits"
        assert_report(info, expected, what)
        assert error.any(), f"{what}: rounding must change weights, yours are what they were"
        step = (max(before.max(), 0) - min(before.min(), 0)) / (2**bits - 1)
        assert np.all(np.abs(error) <= step * (1 + 1e-4)), (
            f"{what}: no weight may move by more than a step, {step}, one of yours by {np.abs(error).max()}"
        )
        largest = np.abs(before).max()
        for key, value, atol in [
            ("max_error", np.abs(error).max(), 1e-6 * largest),
            ("mse_error", (error * error).mean(), 1e-6 * largest**2),
        ]:
            got = report_numbers(info, key)
            assert agrees_with(got, value, rtol=0.01, atol=atol), (
                f"{what}: from the weights before and after, {key} is {value}, yours is {got}"
            )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_quantization_comprehensive_report()


# %% nbgrader={"grade": true, "grade_id": "test_quantization_comprehensive-in_place", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_quantization_comprehensive_in_place():
    """The given layer itself is quantized and comes back; bias, shape and dtype stay; 8 bits unless said otherwise."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(37)
    layers = [random_dense(rng, 9, 8, use_bias) for use_bias in (True, False)]
    given = [layer.weights.data.copy() for layer in layers]
    bias = layers[0].bias.data.copy()
    got = outcomes(quantize_layer_weights, [(layer,) for layer in layers])
    for layer, before, outcome in zip(layers, given, got, strict=True):
        returned, info = returned_pair(outcome, Dense)
        assert returned is layer, "the layer that comes back must be the one given, yours is another one"
        weights = returned.weights.data
        assert not np.array_equal(weights, before), "the given layer itself must be quantized, yours is as it was"
        assert weights.shape == (9, 8), f"the weights must keep their shape (9, 8), yours have {weights.shape}"
        sizes = returned.input_size, returned.output_size
        assert sizes == (9, 8), f"the layer must stay a Dense(9, 8), yours became a Dense{sizes}"
        near = agrees_with(weights, before, rtol=0, atol=(before.max() - before.min()) / 250)
        assert near, f"no weight may move by more than one of the 255 steps, your first row became {weights[0]}"
        assert weights.dtype == np.float32, f"the weights must be float32, yours are {weights.dtype}"
        if layer is layers[0]:
            assert np.array_equal(bias_array(returned), bias), "the bias must stay as it was, yours is changed"
        else:
            assert returned.bias is None, "a layer without bias must stay without, yours has one now"
        assert_report(info, {"bits": 8}, "quantizing without saying to how many bits")
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_quantization_comprehensive_in_place()


# %% nbgrader={"grade": true, "grade_id": "test_quantization_comprehensive-bad_arguments", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_quantization_comprehensive_bad_arguments():
    """Bits that are no integer from 1 to 16, or weights that are not finite, raise ValueError; the layer stays."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(38)
    layer = random_dense(rng, 3, 4)
    bad = []
    for bits in (0, -8, 17, 32, 8.0, 2.5, math.nan, True, np.True_, "8", None):
        bad.append((f"bits={bits!r}, which is no integer from 1 to 16,", (layer, bits)))
    not_finite = {value: random_dense(rng, 3, 4) for value in (math.nan, math.inf, -math.inf)}
    for value, with_value in not_finite.items():
        with_value.weights.data[rng.integers(3), rng.integers(4)] = value
        bad.append((f"a weight of {value}", (with_value, 8)))
    good = [(random_dense(rng, 3, 4), bits) for bits in (1, 16, np.int32(4), np.int64(16))]
    before = snapshot_of(layer), *map(snapshot_of, not_finite.values())
    found = outcomes(quantize_layer_weights, [*(case for _, case in bad), *good])
    for (what, _), outcome in zip(bad, found):
        assert raised_value_error(outcome, what), f"{what} must raise ValueError, yours took it"
    assert is_as_before(layer, before[0]), "bits that are not allowed must leave the layer as it was, yours changed it"
    for (value, with_value), copied in zip(not_finite.items(), before[1:], strict=True):
        assert is_as_before(with_value, copied), f"a weight of {value} must leave the layer as it was, yours changed it"
    for (_, bits), outcome in zip(good, found[len(bad) :], strict=True):
        assert not raised_value_error(outcome, f"bits={bits!r}"), (
            f"bits={bits!r} is an integer from 1 to 16 and must be taken, yours raised ValueError"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_quantization_comprehensive_bad_arguments()


# %% nbgrader={"grade": false, "grade_id": "quantize_layer_weights_per_channel", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def quantize_layer_weights_per_channel(layer, bits=8):
    """Round a layer's weights, in place, with one scale for each neuron: symmetric, signed, zero point 0.

    Returns `(layer, info)` with the keys of `quantize_layer_weights`; `scale` is an array `(output_size,)`. Raises
    ValueError, before anything is modified, unless bits is an integer from 2 to 16 and the weights are all finite.
    """
    ### BEGIN SOLUTION
    if isinstance(bits, bool) or not isinstance(bits, (int, np.integer)) or not 2 <= bits <= 16:
        raise ValueError(f"bits must be an integer from 2 to 16, not {bits!r}")
    weights = layer.weights.data
    largest = np.abs(weights).max(axis=0).astype(np.float64)
    if not np.isfinite(largest).all():
        raise ValueError("weights must all be finite")

    scale = np.where(largest > 0, largest / (2 ** (int(bits) - 1) - 1), 1.0)
    quantized = np.rint(weights / scale).astype(np.int8 if bits <= 8 else np.int16)
    rounded = quantized * scale
    error = rounded - weights
    info = {
        "bits": bits,
        "scale": scale,
        "zero_point": 0,
        "min_val": float(weights.min()),
        "max_val": float(weights.max()),
        "quantized_weights": quantized,
        "total_weights": weights.size,
        "original_bytes": 4 * weights.size,
        "quantized_bytes": math.ceil(weights.size * bits / 8),
        "memory_reduction": 32 / bits,
        "mse_error": float(np.mean(error**2)),
        "max_error": float(np.abs(error).max()),
        "original_dtype": str(weights.dtype),
    }
    layer.weights.data[...] = rounded
    return layer, info
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_quantization_comprehensive-per_channel", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
def test_quantization_comprehensive_per_channel():
    """Per channel: one symmetric grid for each neuron, written in place and reported as such."""
    layer, info = returned_pair(quantize_layer_weights_per_channel(dense_holding([[1.0, -100.0], [0.6, 27.0]]), 3), Dense)
    scale, integers = report_numbers(info, "scale"), report_numbers(info, "quantized_weights")
    assert agrees_with(scale, [1 / 3, 100 / 3]), (
        f"at 3 bits each neuron (column) has its largest magnitude / (2**2 - 1) as scale, 1/3 and 100/3, "
        f"yours are {scale}"
    )
    assert np.array_equal(integers, [[3, -3], [2, 1]]), (
        f"1 and 0.6 must become the integers 3 and 2, -100 and 27 become -3 and 1, yours are {integers.tolist()}"
    )
    ### BEGIN HIDDEN TESTS
    rng = check_rng(39)
    cases = []
    for bits, use_bias in [(2, True), (4, False), (8, True), (9, True), (16, False)]:
        layer = random_dense(rng, 6, 5, use_bias)
        layer.weights.data *= [1, 10, 0.01, 0, 3]
        layer.weights.data[2] = 0
        cases.append((layer, bits))
    given = [(layer.weights.data.astype(np.float64), copy.copy(bias_array(layer))) for layer, _ in cases]
    got = outcomes(quantize_layer_weights_per_channel, cases)
    for (layer, bits), (before, bias), outcome in zip(cases, given, got, strict=True):
        returned, info = returned_pair(outcome, Dense)
        assert returned is layer, f"{bits} bits: the layer that comes back must be the one given, yours is another one"
        after = returned.weights.data
        sizes = returned.input_size, returned.output_size
        assert sizes == (6, 5), f"{bits} bits: the layer must stay a Dense(6, 5), yours became a Dense{sizes}"
        top = 2 ** (bits - 1) - 1
        largest = np.abs(before).max(axis=0)
        scale = np.where(largest > 0, largest / top, 1.0)
        scales, q = report_numbers(info, "scale"), report_numbers(info, "quantized_weights")
        assert agrees_with(scales, scale, atol=0), (
            f"{bits} bits: the scales must be {scale}, 1.0 for the neuron of only zeros, yours are {scales}"
        )
        dtype = "int8" if bits <= 8 else "int16"
        assert q.dtype == dtype, f"{bits} bits: the integers must be {dtype}, yours are {q.dtype}"
        assert q.shape == before.shape, f"{bits} bits: the integers must have shape {before.shape}, yours {q.shape}"
        assert np.abs(q.astype(int)).max() <= top, f"{bits} bits: no integer may exceed {top} in magnitude, yours do"
        worst = np.abs(q - np.rint(before / scale)).max()
        assert worst <= 1, f"{bits} bits: the integers are off by up to {worst:.0f} from round(w / scale)"
        assert agrees_with(after, q * scale), f"{bits} bits: the weights must be integers times the scale, yours are not"
        assert after.dtype == np.float32, f"{bits} bits: the weights must be float32, yours are {after.dtype}"
        error = np.abs(after - before)
        assert np.all(error <= scale / 2 * (1 + 1e-5) + 1e-6 * largest), (
            f"{bits} bits: no weight may move by more than half a step of its neuron, yours moved by {error.max(axis=0)}"
        )
        assert np.all(after[before == 0] == 0), f"{bits} bits: a weight of 0.0 must stay 0.0, of yours some did not"
        if bias is not None:
            assert np.array_equal(bias_array(returned), bias), f"{bits} bits: the bias must stay as it was, yours changed"
        expected = {
            "bits": bits,
            "zero_point": 0,
            "min_val": before.min(),
            "max_val": before.max(),
            "total_weights": 30,
            "original_bytes": 120.0,
            "quantized_bytes": float((30 * bits + 7) // 8),
            "memory_reduction": 32 / bits,
            "original_dtype": "float32",
        }
        assert_report(info, expected, f"30 weights at {bits} bits per channel")
        for key, value, atol in [
            ("max_error", error.max(), 1e-6 * largest.max()),
            ("mse_error", (error**2).mean(), 1e-6 * largest.max() ** 2),
        ]:
            reported = report_numbers(info, key)
            assert agrees_with(reported, value, rtol=0.01, atol=atol), (
                f"{bits} bits: from the weights before and after, {key} is {value}, yours is {reported}"
            )
    layer = random_dense(rng, 3, 4)
    bad = []
    for bits in (1, 0, 17, 8.0, True, "8"):
        bad.append((f"bits={bits!r}, which is no integer from 2 to 16,", (layer, bits)))
    not_finite = {value: random_dense(rng, 3, 4) for value in (math.nan, math.inf, -math.inf)}
    for value, with_value in not_finite.items():
        with_value.weights.data[1, 2] = value
        bad.append((f"a weight of {value}", (with_value, 8)))
    good = [(random_dense(rng, 3, 1),), (random_dense(rng, 3, 1), np.int64(4))]
    before = snapshot_of(layer), *map(snapshot_of, not_finite.values())
    found = outcomes(quantize_layer_weights_per_channel, [*(case for _, case in bad), *good])
    for (what, _), outcome in zip(bad, found):
        assert raised_value_error(outcome, what), f"{what} must raise ValueError, yours took it"
    assert is_as_before(layer, before[0]), "bits that are not allowed must leave the layer as it was, yours changed it"
    for (value, with_value), copied in zip(not_finite.items(), before[1:], strict=True):
        assert is_as_before(with_value, copied), f"a weight of {value} must leave the layer as it was, yours changed it"
    layer, info = returned_pair(found[-2], Dense)
    assert_report(info, {"bits": 8}, "quantizing without saying to how many bits")
    _, info = returned_pair(found[-1], Dense)
    assert_report(info, {"bits": 4}, "quantizing to np.int64(4) bits")
    _, info = returned_pair(quantize_layer_weights_per_channel(layer, bits=np.int32(16)), Dense)
    assert_report(info, {"bits": 16}, "quantizing to np.int32(16) bits")
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_quantization_comprehensive_per_channel()


# %% [markdown]
# ### Experiment: how few bits a weight needs
#
# The trained network is quantized with 1 to 16 bits, all layers alike and without retraining. On the left the error of
# the weights, on the right the accuracy; means of five splits.

# %% nbgrader={"grade": false, "grade_id": "experiment-bits", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["experiment"]
def experiment_bits():
    if not RUN_EXPERIMENTS:
        return
    splits = range(5)
    schemes = {
        "one scale for the layer": (quantize_layer_weights, range(1, 17)),
        "one scale per neuron": (quantize_layer_weights_per_channel, range(2, 17)),
    }
    figure, (left, right) = new_picture(2)
    stored = {}
    for style, (name, (quantize, bit_range)) in zip(STYLES, schemes.items()):
        error, score = np.zeros((2, len(bit_range), len(splits)))
        for i, bits in enumerate(bit_range):
            for split in splits:
                model = trained_network(split)
                infos = {j: quantize(layer, bits)[1] for j, layer in dense_by_index(model).items()}
                mean_square = np.average(
                    [info["mse_error"] for info in infos.values()],
                    weights=[info["total_weights"] for info in infos.values()],
                )
                error[i, split] = np.sqrt(mean_square)
                score[i, split] = accuracy_on_digits(model, split)
                stored[name, bits] = stored_size(model, infos)
        left.plot(bit_range, error.mean(axis=1), label=name, **style)
        right.plot(bit_range, score.mean(axis=1), label=name, **style)
        print(name)
        print("  bits         ", *(f"{bits:6d}" for bits in bit_range))
        print("  accuracy (%) ", *(f"{value:6.2f}" for value in score.mean(axis=1)))
        print("  bytes on disk", *(f"{stored[name, bits]:6d}" for bits in bit_range))
    left.set(yscale="log", xlabel="bits per weight", ylabel="error of a weight (root mean square)")
    right.set(xlabel="bits per weight", ylabel="accuracy (%)", ylim=(0, 103))
    right.legend(loc="lower right")

    dense = stored_size(trained_network())
    packed = stored["one scale for the layer", 8]
    show_picture(
        figure,
        "Left: the error of a weight, on a logarithmic scale, is about halved by each further bit; from 3 bits "
        f"up it is smaller with one scale per neuron. Right: accuracy against bits. The file takes {dense:,} bytes in float32 and {packed:,} with 8 "
        f"bits, {dense / packed:.2f} times less (not exactly 4 times, because biases, scale and zero point are stored as "
        "well).",
    )


experiment_bits()


# %% [markdown]
# Two fields of application hang on the bytes just measured. A **mobile app** carries its network in the download and
# keeps it on the phone, so the file itself is the cost, and 8 bits instead of 32 are about a quarter of it at
# nearly the same accuracy. A **wearable** pays in battery charge: each weight is read from memory once for each image, and reading is
# what takes energy. Han, Pool, Tran, Dally (2015) give 640 pJ for reading 32 bits from external DRAM, and 5 pJ from
# SRAM on the chip (45 nm). A quarter of the bits means a quarter of the reads, and a network that becomes small enough
# for the SRAM saves a factor of 128. This notebook measures bytes and time, not energy.
#
# Time is another matter. `quantize_layer_weights` puts floats back into the layer, so the network computes exactly as
# many float operations as before. Few bits save time only with arithmetic made for them; that is the topic of module 11.
#
# ### Experiment: why the grid must hold 0
#
# A common other scheme spreads the $2^b$ levels evenly from the smallest to the largest weight, without an integer zero
# point. Here it meets your quantization on a network that was pruned to 90 % sparsity and retrained.

# %% nbgrader={"grade": false, "grade_id": "experiment-grid", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["experiment"]
def experiment_why_the_grid_must_hold_zero():
    if not RUN_EXPERIMENTS:
        return

    def quantize_min_max(layer, bits):
        w = layer.weights.data
        step = (w.max() - w.min()) / (2**bits - 1)
        layer.weights = w.min() + np.round((w - w.min()) / step) * step

    splits, bit_range = range(5), range(2, 9)
    sparsity, score = np.zeros((2, 2, len(bit_range), len(splits)))
    for split in splits:
        pruned, _ = prune_model_by_magnitude(trained_network(split), 0.9)
        train_on_digits(pruned, split, epochs=12, after_step=hold_zeros(pruned))
        for i, bits in enumerate(bit_range):
            for j, quantize in enumerate((quantize_layer_weights, quantize_min_max)):
                model = copy.deepcopy(pruned)
                weights = []
                for layer in dense_by_index(model).values():
                    quantize(layer, bits)
                    weights.append(layer.weights.data.ravel())
                sparsity[j, i, split] = 100 * np.mean(np.concatenate(weights) == 0)
                score[j, i, split] = accuracy_on_digits(model, split)

    figure, (left, right) = new_picture(2)
    for style, name, zeros, correct in zip(
        STYLES, ("grid with 0 (yours)", "grid from min to max"), sparsity.mean(2), score.mean(2)
    ):
        left.plot(bit_range, zeros, label=name, **style)
        right.plot(bit_range, correct, label=name, **style)
        print(name)
        print("  bits        ", *(f"{bits:6d}" for bits in bit_range))
        print("  sparsity (%)", *(f"{value:6.2f}" for value in zeros))
        print("  accuracy (%)", *(f"{value:6.2f}" for value in correct))
    left.set(xlabel="bits per weight", ylabel="weights that are 0 (%)", ylim=(-4, 104))
    right.set(xlabel="bits per weight", ylabel="accuracy (%)", ylim=(0, 103))
    left.legend(loc="center right")
    kept, lost = sparsity.mean(2)[:, bit_range.index(4)]
    right_4, wrong_4 = score.mean(2)[:, bit_range.index(4)]
    show_picture(
        figure,
        f"A network of 90 % sparsity after quantization, mean of {len(splits)} splits. Left: with 4 bits {kept:.1f} % of "
        f"the weights are 0 on a grid that holds 0, {lost:.1f} % on one from the smallest to the largest weight. Right: "
        f"the accuracy with 4 bits is {right_4:.1f} % and {wrong_4:.1f} %.",
    )


experiment_why_the_grid_must_hold_zero()


# %% [markdown] nbgrader={"grade": false, "grade_id": "question-pruning-and-quantization", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": true}
# ### Written question 1: pruning and quantization (5 points)
#
# Answer in the cell below, in about ten sentences, with numbers that your cells printed.
#
# 1. A colleague concludes: "Beyond 80 % sparsity a network is ruined." Which of your measurements support this, which
#    contradict it, and what makes the difference? Name two numbers.
# 2. At 90 % sparsity, why does the file in float32 not become 10 times smaller? Calculate the bytes of the 128 x 64
#    layer at 90 % sparsity, stored as a bitmask with its nonzero weights (one bit for each weight, 4 bytes for each
#    nonzero one; no bias), and the factor against storing it dense.
# 3. What goes wrong when a pruned network is quantized on a grid that does not hold 0? Say what happens to the zeros,
#    to the file and to the accuracy, and where in your formulas this is prevented.
#
# === BEGIN MARK SCHEME ===
# | points | for |
# |---|---|
# | 1 | Part 1: support from the curves without retraining and contradiction from those with retraining, with at least two accuracies printed by the pruning experiment (at 80, 90 or 95 %). |
# | 1 | Part 1: the reason. Retraining lets the surviving weights take over what the removed ones did, while the pruned ones are held at 0. "More training" alone is not enough: half a point. |
# | 1 | Part 2: 8192 weights, 819 or 820 of them left: 8192 / 8 + 4 x 819 = 4300 bytes (4304 with 820) against 32768: factor 7.6. Half a point for the right method with a slip in the arithmetic. The reason: the positions have to be stored too, here one bit for each weight, zeros included. |
# | 1 | Part 3: no level is 0, so every pruned weight comes back as the same small number other than 0; sparsity falls from 90 % to 0 and the bitmask form no longer helps, the file is as large as that of a dense quantized network. |
# | 1 | Part 3: accuracy falls at few bits (a measured pair of numbers), because the same offset on most weights adds up over the inputs of a neuron; prevented by widening the range to include 0 and by an integer zero_point. Half a point for one of the two. |
#
# Figures differ a little from student to student; what counts is that they are the ones of the submitted notebook or
# plausible, and that the conclusion follows from them.
# === END MARK SCHEME ===

# %% [markdown]
# **Your answer to question 1** (double-click here and write):

# %% [markdown]
# ## Step 4: Knowledge Distillation
#
# Pruning and quantization start from the large network. *Distillation* trains a small one, the student, with the help
# of the large one, the teacher. A label says "this is a 4"; the teacher's output says "a 4, perhaps a 9, certainly no
# 0". With a *temperature* $T > 1$ the softmax becomes flatter and shows these smaller probabilities:
#
# $$p_c(z, T) = \frac{e^{z_c / T}}{\sum_k e^{z_k / T}}$$
#
# The loss weighs two parts, the labels (hard, at $T = 1$) and the teacher (soft):
#
# $$L = \alpha \cdot \operatorname{CE}\bigl(\text{labels},\, p(z_s, 1)\bigr)
#   + (1 - \alpha) \cdot T^2 \cdot \operatorname{KL}\bigl(p(z_t, T) \,\big\|\, p(z_s, T)\bigr)$$
#
# both averaged over the batch, with student logits $z_s$, teacher logits $z_t$, $\operatorname{CE} = -\log p_{label}$
# and $\operatorname{KL}(p \| q) = \sum_c p_c \log (p_c / q_c)$ (Hinton, Vinyals, Dean 2015, arXiv 1503.02531). The
# gradients of the soft part scale as $1/T^2$; the factor $T^2$ keeps the two parts in balance when $T$ changes. The
# paper has no symbol $\alpha$: here **alpha weighs the hard part**, the labels. The paper writes the soft part as a
# cross-entropy; KL differs from it by the teacher's entropy, which is constant for the student: the gradient is the
# same, but only KL is 0 when the student agrees with the teacher.
#
# To train with the loss, its derivative by the student logits is needed. For a batch of $B$ rows work it out from
#
# $$\frac{\partial}{\partial z} \operatorname{CE}\bigl(y, p(z, 1)\bigr) = p(z, 1) - y$$
#
# with $y$ one-hot, and think about what the inner $1/T$ does to the soft part.
#
# **Contract of `DistillationLoss(temperature=3.0, alpha=0.5)`** (15 points)
#
# | call | what holds |
# |---|---|
# | `loss(student_logits, teacher_logits, true_labels)` | a float: the loss $L$ above, natural logarithm, averaged over the batch |
# | | logits `(batch, classes)`, arrays or `Tensor`s; left as they were |
# | | labels: class indices `(batch,)`, integers or whole floats, or one-hot `(batch, classes)`; arrays or `Tensor`s |
# | | finite and correct for logits up to plus or minus 1e4 |
# | | `alpha = 1`: plain cross-entropy, whatever the teacher says; equal logits: the soft part is 0 |
# | `loss.gradient(student_logits, teacher_logits, true_labels)` | an array `(batch, classes)`: the derivative of that loss, mean over the batch included, by the student logits; the same kinds of arguments |
# | `_softmax(logits)`, `_cross_entropy_loss(logits, labels)` | given, stable for large logits; they stay callable |
# | `temperature` not positive and finite; `alpha` outside [0, 1] or NaN | `ValueError` when the object is made |
# | logits whose shapes differ; an empty batch; labels that do not fit the logits in number, range (an index below 0 or not below `classes`) or kind (not whole numbers; rows that are not one 1 and otherwise 0) | `ValueError`, from the loss and from the gradient |

# %% nbgrader={"grade": false, "grade_id": "DistillationLoss", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
class DistillationLoss:
    """What a student network is trained on: the labels, and the softened predictions of a teacher.

    Logits are arrays or Tensors of shape (batch, classes); labels are class indices (batch,), integers or whole
    floats, or one-hot (batch, classes). Both parts are averaged over the batch.
    """

    def __init__(self, temperature=3.0, alpha=0.5):
        """temperature: positive and finite. alpha: the weight of the labels, in [0, 1]. ValueError otherwise."""
        ### BEGIN SOLUTION
        if not 0 < temperature < math.inf:  # NaN fails this too
            raise ValueError(f"temperature must be positive and finite, not {temperature}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be in [0, 1], not {alpha}")
        self.temperature = temperature
        self.alpha = alpha
        ### END SOLUTION

    def _softmax(self, logits):
        """Given: the probabilities, (batch, classes). Subtracting the largest logit keeps exp from overflowing."""
        logits = np.asarray(logits, dtype=np.float64)
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def _cross_entropy_loss(self, logits, labels):
        """Given: the mean of -log(probability of the label); labels (batch,) or one-hot. From log-softmax: no log(0)."""
        logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels)
        if labels.ndim == 1:
            labels = np.eye(logits.shape[1])[labels.astype(int)]
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return float(-(labels * log_probabilities).sum(axis=1).mean())

    def __call__(self, student_logits, teacher_logits, true_labels):
        """The loss, a float. Raises ValueError for shapes that differ, an empty batch and labels that do not fit."""
        ### BEGIN SOLUTION
        student, teacher, one_hot = self._checked(student_logits, teacher_logits, true_labels)
        hard = self._cross_entropy_loss(student, one_hot)
        # KL(p || q) is the cross-entropy of q under p less that of p under itself.
        p = self._softmax(teacher / self.temperature)
        soft = self._cross_entropy_loss(student / self.temperature, p)
        soft -= self._cross_entropy_loss(teacher / self.temperature, p)
        return self.alpha * hard + (1 - self.alpha) * self.temperature**2 * soft
        ### END SOLUTION

    def gradient(self, student_logits, teacher_logits, true_labels):
        """The derivative of the loss by the student logits, an array (batch, classes). ValueErrors as for the loss."""
        ### BEGIN SOLUTION
        student, teacher, one_hot = self._checked(student_logits, teacher_logits, true_labels)
        hard = self._softmax(student) - one_hot
        soft = self._softmax(student / self.temperature) - self._softmax(teacher / self.temperature)
        # T**2, times 1 / T from the derivative of student / T
        return (self.alpha * hard + (1 - self.alpha) * self.temperature * soft) / len(student)

    def _checked(self, student_logits, teacher_logits, true_labels):
        """Both logits as float64 arrays and the labels as one-hot, or ValueError."""
        student, teacher, labels = (
            np.asarray(values, dtype=np.float64) for values in (student_logits, teacher_logits, true_labels)
        )
        if student.ndim != 2 or student.shape != teacher.shape:
            raise ValueError(f"logits must share one shape (batch, classes), not {student.shape} and {teacher.shape}")
        batch, classes = student.shape
        if batch == 0:
            raise ValueError("the batch must not be empty")
        if labels.shape == (batch,):
            labels = (labels[:, np.newaxis] == np.arange(classes)).astype(np.float64)
        one_hot = labels.shape == (batch, classes) and np.all((labels == 0) | (labels == 1))
        if not one_hot or np.any(labels.sum(axis=1) != 1):
            raise ValueError(f"labels must be {batch} class indices from 0 to {classes - 1}, or one-hot")
        return student, teacher, labels
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_distillation_comprehensive", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_distillation_comprehensive():
    """A loss small enough for pencil and paper: two classes, temperature 2, alpha 0.25."""
    # softmax(student) is 1/10, 9/10; softened it is 1/4, 3/4; the softened teacher is 1/2, 1/2; the label is class 1.
    student, teacher, labels = np.array([[0, 2 * np.log(3)]] * 2), np.zeros((2, 2)), np.array([1, 1])
    loss = DistillationLoss(temperature=2.0, alpha=0.25)(student, teacher, labels)
    hard, soft = np.log(10 / 9), np.log(4 / 3) / 2
    reverse = np.log(3 / 2) - np.log(3) / 4
    expected = 0.25 * hard + 0.75 * 4 * soft
    mistakes = {
        0.75 * hard + 0.25 * 4 * soft: "alpha weighs the labels, 1 - alpha the teacher",
        0.25 * hard + 0.75 * soft: "the soft part is multiplied by the temperature squared",
        0.25 * hard + 0.75 * 2 * soft: "the soft part is multiplied by the temperature squared",
        0.25 * hard + 0.75 * 4 * reverse: "the divergence is KL(teacher || student), not the other way round",
        0.25 * 2 * soft + 0.75 * 4 * soft: "the cross-entropy takes the student's logits at temperature 1",
        0.25 * hard + 0.75 * 2 * soft: "both parts are averaged over the batch, not over batch and classes",
        2 * expected: "both parts are averaged over the batch, not summed",
    }
    hint = next((f": {text}" for value, text in mistakes.items() if agrees_with(loss, value)), "")
    assert agrees_with(loss, expected), f"the loss of this batch must be {expected:.6f}, yours is {loss}{hint}"


with warnings.catch_warnings(action="ignore"):
    test_distillation_comprehensive()


# %% nbgrader={"grade": true, "grade_id": "test_distillation_comprehensive-value", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_distillation_comprehensive_value():
    """At temperature 1 the loss is the weighted sum of both parts, for any alpha and any batch."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(41)
    settings = [(1.0, 0.5), (1.0, 0.1), (1.0, 0.8)]
    losses = list(map(result_of, outcomes(DistillationLoss, settings)))
    cases = []
    for batch, classes in [(4, 3), (1, 5), (7, 2)]:
        cases.append((*(3 * rng.standard_normal((2, batch, classes))), rng.integers(classes, size=batch)))
    copies = [[array.copy() for array in case] for case in cases]
    for (_, alpha), (student, teacher, labels), outcome in zip(settings, copies, outcomes(losses, cases), strict=True):
        batch, classes = student.shape
        log_q = student - np.logaddexp.reduce(student, axis=1, keepdims=True)
        log_p = teacher - np.logaddexp.reduce(teacher, axis=1, keepdims=True)
        hard = -np.mean([log_q[i, label] for i, label in enumerate(labels)])
        soft = np.sum(np.exp(log_p) * (log_p - log_q)) / batch
        expected = alpha * hard + (1 - alpha) * soft
        value = result_of(outcome, f"temperature 1, alpha {alpha}, {batch} x {classes} logits")
        assert agrees_with(value, expected), (
            f"temperature 1, alpha {alpha}, {batch} x {classes} logits: with a cross-entropy of {hard:.6f} and a KL "
            f"divergence of {soft:.6f} the loss must be {expected:.6f}, yours is {value}"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_distillation_comprehensive_value()


# %% nbgrader={"grade": true, "grade_id": "test_distillation_comprehensive-temperature", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_distillation_comprehensive_temperature():
    """The temperature softens both networks' predictions, and its square balances the soft part."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(42)
    by_name = DistillationLoss(alpha=0.2, temperature=2.0)
    settings = [(2.0, 0.2), (0.5, 0.1), (4.0, 0.1), (3.0, 0.5)]  # the last are the defaults
    losses = [by_name, *map(result_of, outcomes(DistillationLoss, [(0.5, 0.1), (4.0, 0.1), ()]))]
    cases = [(*(3 * rng.standard_normal((2, 5, 4))), rng.integers(4, size=5)) for _ in settings]
    copies = [[array.copy() for array in case] for case in cases]
    found = outcomes(losses, cases)
    for (temperature, alpha), (student, teacher, labels), outcome in zip(settings, copies, found, strict=True):
        log_q, log_p = (
            logits / temperature - np.logaddexp.reduce(logits / temperature, axis=1, keepdims=True)
            for logits in (student, teacher)
        )
        hard = np.mean(np.logaddexp.reduce(student, axis=1) - student[np.arange(5), labels])
        soft = np.sum(np.exp(log_p) * (log_p - log_q)) / 5
        expected = alpha * hard + (1 - alpha) * temperature**2 * soft
        value = result_of(outcome, f"temperature {temperature}, alpha {alpha}")
        assert agrees_with(value, expected), (
            f"temperature {temperature}, alpha {alpha}: with a cross-entropy of {hard:.6f} and a softened KL divergence "
            f"of {soft:.6f} the loss must be {expected:.6f}, yours is {value}"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_distillation_comprehensive_temperature()


# %% nbgrader={"grade": true, "grade_id": "test_distillation_comprehensive-hard_part", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_distillation_comprehensive_hard_part():
    """With alpha = 1 the loss is plain cross-entropy, whatever the teacher; the given helpers stay callable."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(43)
    student, teacher = 2 * rng.standard_normal((2, 6, 4))
    labels = rng.integers(4, size=6)
    log_q = student - np.logaddexp.reduce(student, axis=1, keepdims=True)
    expected = -log_q[np.arange(6), labels].mean()
    losses = list(map(result_of, outcomes(DistillationLoss, [(1.0, 1.0), (5.0, 1.0)])))
    cases = [(student, teacher, labels), (student, np.zeros((6, 4)), labels)]
    for outcome in outcomes([loss for loss in losses for _ in cases], cases * 2):
        value = result_of(outcome)
        assert agrees_with(value, expected), (
            f"with alpha 1 the loss must be the cross-entropy of labels and student, {expected:.6f}, at any "
            f"temperature and with any teacher; yours is {value}"
        )
    loss = losses[-1]
    value = loss._cross_entropy_loss(student, labels)
    assert agrees_with(value, expected), f"_cross_entropy_loss must stay as given and return {expected:.6f}, not {value}"
    assert agrees_with(loss._softmax(student), np.exp(log_q)), "_softmax must stay as given, yours gives other values"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_distillation_comprehensive_hard_part()


# %% nbgrader={"grade": true, "grade_id": "test_distillation_comprehensive-equal_logits", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_distillation_comprehensive_equal_logits():
    """A student that says the same as the teacher has a soft part of 0."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(44)
    temperatures = (0.5, 1.0, 4.0)
    losses = list(map(result_of, outcomes(DistillationLoss, [(temperature, 0.0) for temperature in temperatures])))
    kinds = []  # equal logits, logits that differ by a constant, others
    for change in (0, 1, None):
        for _ in temperatures:
            logits = 2 * rng.standard_normal((5, 3))
            student = logits[::-1].copy() if change is None else logits + change
            kinds.append((student, logits, rng.integers(3, size=5)))
    found = outcomes(losses * 3, kinds)
    for temperature, equal, shifted, other in zip(temperatures, found[:3], found[3:6], found[6:], strict=True):
        value = result_of(equal, f"equal logits, temperature {temperature}")
        assert agrees_with(value, 0.0), (
            f"equal logits at temperature {temperature} with alpha 0 must give a loss of 0, yours is {value}"
        )
        value = result_of(shifted, "logits that differ by a constant")
        assert agrees_with(value, 0.0, atol=1e-5), (
            f"logits that differ by a constant mean the same probabilities: the loss must be 0, yours is {value}"
        )
        value = result_of(other)
        assert 1e-4 < value < math.inf, f"a student that says something else must have a finite loss > 0, not {value}"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_distillation_comprehensive_equal_logits()


# %% nbgrader={"grade": true, "grade_id": "test_distillation_comprehensive-labels", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_distillation_comprehensive_labels():
    """Labels may be integers, whole floats or one-hot, everything an array or a Tensor: the loss is the same."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(45)
    student = (2 * rng.standard_normal((3, 3))).astype(np.float32)
    teacher = student.copy()  # leaves the hard part alone
    labels = rng.permutation(3)
    expected = 0.5 * np.mean(np.logaddexp.reduce(student.astype(float), axis=1) - student[np.arange(3), labels])
    one_hot = np.eye(3)[labels]
    kinds = {
        "integers": labels,
        "int32": labels.astype(np.int32),
        "whole floats": labels.astype(np.float32),
        "one-hot": one_hot,
        "one-hot integers": one_hot.astype(int),
        "a Tensor": Tensor(labels),
        "a one-hot Tensor": Tensor(one_hot),
    }
    whats = [f"labels as {what}" for what in kinds]
    cases = [(student, teacher, given) for given in kinds.values()]
    for what in ("integers", "one-hot", "a Tensor", "a one-hot Tensor"):
        whats.append(f"logits as Tensors, labels as {what}")
        cases.append((Tensor(student), Tensor(teacher), kinds[what]))
    for what, outcome in zip(whats, outcomes(DistillationLoss(2.0, 0.5), cases), strict=True):
        value = result_of(outcome, what)
        assert agrees_with(value, expected), f"{what}: the loss must be {expected:.6f}, yours is {value}"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_distillation_comprehensive_labels()


# %% nbgrader={"grade": true, "grade_id": "test_distillation_comprehensive-large_logits", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_distillation_comprehensive_large_logits():
    """The loss is finite and right for logits up to 1e4 in magnitude."""
    ### BEGIN HIDDEN TESTS
    student = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4]])
    teacher = np.array([[-1e4, 1e4, 0.0], [-1e4, -1e4, 1e4]])
    labels = np.array([1, 2])
    losses = list(map(result_of, outcomes(DistillationLoss, [(1.0, 0.25), (1.0, 0.75)])))
    cases = [(student, teacher, labels)] * 2 + [(teacher.copy(), teacher, labels)] * 2
    found = outcomes(losses * 2, cases)
    for alpha, different, equal in zip((0.25, 0.75), found[:2], found[2:], strict=True):
        value = result_of(different, "logits of +-1e4")
        assert agrees_with(value, 1e4), (
            f"logits of +-1e4, alpha {alpha}: cross-entropy and KL divergence are both 1e4 here, so is the loss; "
            f"yours is {value}"
        )
        value = result_of(equal, "equal logits of +-1e4")
        assert agrees_with(value, 0.0), f"equal logits of +-1e4 with the right labels: the loss must be 0, not {value}"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_distillation_comprehensive_large_logits()


# %% nbgrader={"grade": true, "grade_id": "test_distillation_comprehensive-arguments_kept", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_distillation_comprehensive_arguments_kept():
    """Computing the loss leaves logits and labels as they were and returns a number."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(46)
    cases = []
    for dtype in (np.float32, np.float64):
        for labels in (rng.integers(3, size=4), np.eye(3)[rng.integers(3, size=4)]):
            cases.append((*(5 * rng.standard_normal((2, 4, 3))).astype(dtype), labels))
    copies = [[argument.copy() for argument in case] for case in cases]
    student, teacher, labels = copies[0]
    tensors = Tensor(student), Tensor(teacher)
    *got, of_tensors = outcomes(DistillationLoss(2.5, 0.3), [*cases, (*tensors, labels.copy())])
    for case, before, outcome in zip(cases, copies, got, strict=True):
        value = result_of(outcome)
        number = np.ndim(value) == 0 and np.asarray(value).dtype.kind == "f"
        assert number, f"the loss must be a float, yours is {value!r}"
        assert np.isfinite(value), f"the loss of such logits must be finite, yours is {value}"
        for argument, copied in zip(case, before, strict=True):
            assert np.array_equal(argument, copied), "logits and labels must stay as they were, yours are changed"
    assert len(set(map(float, got))) > 1, f"four different batches must not all have the same loss, yours is {value}"
    result_of(of_tensors, "logits as Tensors")
    for what, tensor, before in zip(("student", "teacher"), tensors, (student, teacher), strict=True):
        assert np.array_equal(tensor.data, before), f"a Tensor of {what} logits must stay as it was, yours is changed"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_distillation_comprehensive_arguments_kept()


# %% nbgrader={"grade": true, "grade_id": "test_distillation_comprehensive-bad_settings", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_distillation_comprehensive_bad_settings():
    """A temperature or alpha that makes no sense raises ValueError when the loss is made."""
    ### BEGIN HIDDEN TESTS
    bad = [(temperature, 0.5) for temperature in (0, 0.0, -1.0, math.nan, math.inf)]
    bad += [(3.0, alpha) for alpha in (-0.1, 1.1, math.nan, math.inf)]
    good = [(0.01, 0), (1, 1), (100.0, 0.0), (3.0, 1.0)]
    found = outcomes(DistillationLoss, [*bad, *good])
    for (temperature, alpha), outcome in zip(bad, found):
        assert raised_value_error(outcome, f"temperature={temperature}, alpha={alpha}"), (
            f"temperature={temperature}, alpha={alpha} must raise ValueError, yours took it: a temperature is positive "
            "and finite, alpha in [0, 1]"
        )
    for (temperature, alpha), outcome in zip(good, found[len(bad) :], strict=True):
        assert not raised_value_error(outcome, f"temperature={temperature}, alpha={alpha}"), (
            f"temperature={temperature}, alpha={alpha} is allowed, yours raised ValueError"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_distillation_comprehensive_bad_settings()


# %% nbgrader={"grade": true, "grade_id": "test_distillation_comprehensive-bad_inputs", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_distillation_comprehensive_bad_inputs():
    """Logits whose shapes differ, an empty batch and labels that do not fit raise ValueError."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(47)
    logits = rng.standard_normal((3, 4))
    bad = [
        ("another number of classes", logits, logits[:, :3], [0, 1, 2]),
        ("one class for the teacher", logits, logits[:, :1], [0, 1, 2]),
        ("another batch", logits, logits[:2], [0, 1, 2]),
        ("a teacher's batch of one", logits, logits[:1], [0, 1, 2]),
        ("an empty batch", logits[:0], logits[:0], np.zeros(0, dtype=int)),
        ("two labels for three", logits, logits, [0, 1]),
        ("one label for three", logits, logits, [0]),
        ("four labels for three", logits, logits, [0, 1, 2, 3]),
        ("a label equal to the number of classes", logits, logits, [0, 1, 4]),
        ("a label of -1", logits, logits, [0, -1, 2]),
        ("a label of 0.5", logits, logits, [0, 0.5, 2]),
        ("a label that is NaN", logits, logits, [0, math.nan, 2]),
        ("one-hot labels for two of three", logits, logits, np.eye(4)[:2]),
        ("one-hot labels of five classes", logits, logits, np.eye(5)[:3]),
        ("rows with two ones", logits, logits, np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])),
        ("a row of zeros", logits, logits, np.array([[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]])),
        ("rows of halves", logits, logits, np.full((3, 4), 0.25)),
        ("a row with a 2 and a -1", logits, logits, np.array([[2, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])),
    ]
    cases = [(student, teacher, np.asarray(labels)) for _, student, teacher, labels in bad]
    *found, good = outcomes(DistillationLoss(), [*cases, (logits, logits, np.array([0, 3, 2]))])
    for (what, student, teacher, _), outcome in zip(bad, found, strict=True):
        assert raised_value_error(outcome, f"logits {student.shape} and {teacher.shape}, {what}"), (
            f"logits {student.shape} and {teacher.shape}, {what}: ValueError must be raised, yours returned a loss"
        )
    refused = raised_value_error(good, "labels 0, 3 and 2 for logits of shape (3, 4)")
    assert not refused, "labels 0, 3 and 2 fit logits of shape (3, 4), yours raised ValueError"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_distillation_comprehensive_bad_inputs()


# %% nbgrader={"grade": true, "grade_id": "test_distillation_comprehensive-gradient", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_distillation_comprehensive_gradient():
    """The gradient is the derivative of the loss by the student logits, the mean over the batch included."""
    loss = DistillationLoss(temperature=2.0, alpha=0.25)
    got = loss.gradient(np.array([[0, 2 * np.log(3)]]), np.zeros((1, 2)), np.array([1]))
    assert agrees_with(got, [[-0.35, 0.35]]), (
        f"for softmax(student) 1/10, 9/10, softened 1/4, 3/4, a softened teacher of 1/2, 1/2 and label 1 the gradient "
        f"must be -0.35, 0.35, yours is {got}"
    )
    ### BEGIN HIDDEN TESTS
    rng = check_rng(48)

    def value(z, t, labels, temperature, alpha):
        """The loss of each of many student logits z, (..., batch, classes)."""
        soft = t / temperature - np.logaddexp.reduce(t / temperature, axis=-1, keepdims=True)
        log_q = z / temperature - np.logaddexp.reduce(z / temperature, axis=-1, keepdims=True)
        kl = (np.exp(soft) * (soft - log_q)).sum(axis=-1)
        ce = np.logaddexp.reduce(z, axis=-1) - z[..., np.arange(len(labels)), labels]
        return (alpha * ce + (1 - alpha) * temperature**2 * kl).mean(axis=-1)

    settings = [(3.0, 0.2), (0.7, 0.1), (5.0, 0.9), (1.0, 0.5)]
    shapes = [(4, 3), (1, 5), (2, 2), (3, 4)]
    losses = list(map(result_of, outcomes(DistillationLoss, settings)))
    given = [(*(2 * rng.standard_normal((2, *shape))), rng.integers(shape[1], size=shape[0])) for shape in shapes]
    copies = [[array.copy() for array in case] for case in given]
    one_hot = [(student, teacher, np.eye(student.shape[1])[labels]) for student, teacher, labels in given]
    large = np.array([[1e4, -1e4]]), np.array([[-1e4, 1e4]]), np.array([1])  # of the last loss: temperature 1, alpha 0.5
    gradients = [loss.gradient for loss in [*losses, *losses, losses[-1]]]
    *found, of_large = outcomes(gradients, [*given, *one_hot, large])
    for (temperature, alpha), (student, teacher, labels), of_labels, of_one_hot in zip(
        settings, copies, found[:4], found[4:], strict=True
    ):
        batch, classes = student.shape
        step = 1e-5 * np.eye(batch * classes).reshape(-1, batch, classes)
        rest = teacher, labels, temperature, alpha
        expected = (value(student + step, *rest) - value(student - step, *rest)) / 2e-5
        for outcome in (of_labels, of_one_hot):
            got = result_of(outcome, f"temperature {temperature}, alpha {alpha}, {batch} x {classes} logits")
            assert isinstance(got, np.ndarray), f"gradient must return an array, yours returned a {type(got).__name__}"
            assert got.shape == student.shape, f"the gradient must have shape {student.shape}, yours has {got.shape}"
            assert agrees_with(got, expected.reshape(student.shape)), (
                f"temperature {temperature}, alpha {alpha}, {batch} x {classes} logits: the gradient differs from the "
                f"central differences of the loss by up to {np.abs(got.ravel() - expected).max():.3g}"
            )
    got = result_of(of_large, "logits of +-1e4")
    assert agrees_with(got, [[1, -1]]), f"logits of +-1e4, temperature 1: the gradient must be 1, -1, yours is {got}"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_distillation_comprehensive_gradient()


# %% nbgrader={"grade": true, "grade_id": "test_distillation_comprehensive-gradient_arguments", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_distillation_comprehensive_gradient_arguments():
    """The gradient takes what the loss takes, leaves it as it was, and raises ValueError where the loss does."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(49)
    loss = DistillationLoss(1.5, 0.4)
    student, teacher = (2 * rng.standard_normal((2, 3, 4))).astype(np.float32)
    labels = rng.integers(4, size=3)
    before = student.copy(), teacher.copy(), labels.copy()
    bad = {
        "shapes that differ": (student, teacher[:, :2], labels),
        "a batch of one for the teacher": (student, teacher[:1], labels),
        "an empty batch": (student[:0], teacher[:0], labels[:0]),
        "two labels for three": (student, teacher, labels[:2]),
        "a label of 4 for 4 classes": (student, teacher, np.array([0, 4, 1])),
        "a label of -1": (student, teacher, np.array([0, -1, 1])),
        "a label of 0.5": (student, teacher, np.array([0, 0.5, 1])),
        "rows with two ones": (student, teacher, np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])),
    }
    tensors = Tensor(student), Tensor(teacher), Tensor(labels)
    of_arrays, of_tensors, *found = outcomes(loss.gradient, [(student, teacher, labels), tensors, *bad.values()])
    got = result_of(of_arrays)
    assert np.shape(got) == (3, 4), f"the gradient of 3 x 4 logits must have their shape, yours is {got}"
    assert np.any(got), "the gradient of a student that does not say what it should must not be 0, yours is"
    for argument, tensor, copied in zip((student, teacher, labels), tensors, before, strict=True):
        assert np.array_equal(argument, copied), "logits and labels must stay as they were, yours are changed"
        assert np.array_equal(tensor.data, copied), "Tensors of logits and labels must stay as they were, yours changed"
    same = agrees_with(result_of(of_tensors, "logits and labels as Tensors"), got)
    assert same, "the gradient of Tensors must be the same as that of arrays, yours differs"
    for what, outcome in zip(bad, found, strict=True):
        assert raised_value_error(outcome, what), f"{what}: gradient must raise ValueError, yours returned an array"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_distillation_comprehensive_gradient_arguments()


# %% [markdown]
# ### Experiment: a small student, alone and distilled
#
# The student is a network 64-16-10, the teacher the trained 64-128-64-10. The same student, from the same initial
# weights and on the same images, is trained twice with your loss: alone (`alpha=1`, the labels only) and distilled
# (`temperature=5`, `alpha=0.1`). The number of training images varies from 50 to all 1,437; the teacher has seen them
# all. On the right, 100 images and different temperatures. Each point is the mean of five students, each on a split of
# its own; the bars show their standard deviation.

# %% nbgrader={"grade": false, "grade_id": "experiment-distillation", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["experiment"]
def experiment_student_alone_and_distilled():
    if not RUN_EXPERIMENTS:
        return
    splits = range(5)

    @functools.cache
    def scores(images, epochs, temperature, alpha):
        """Mean and standard deviation of the accuracy of the students."""
        values = []
        for split in splits:
            data = digits_split(split)
            teacher = logits_of(trained_network(split), data.x_train)
            student = create_mlp(64, [16], 10, rng=split)
            loss = DistillationLoss(temperature, alpha)
            arrays = (data.x_train[:images], teacher[:images], data.y_train[:images])
            train_on_digits(student, split, epochs, loss, arrays)
            values.append(accuracy_on_digits(student, split))
        return float(np.mean(values)), float(np.std(values))

    epochs = {50: 300, 100: 300, 300: 120, 1437: 40}
    alone = {n: scores(n, epochs[n], 1.0, 1.0) for n in epochs}
    distilled = {n: scores(n, epochs[n], 5.0, 0.1) for n in epochs}
    temperatures = {t: scores(100, epochs[100], t, 0.1) for t in (1.0, 2.0, 5.0, 20.0)}
    teacher = np.mean([accuracy_on_digits(trained_network(split), split) for split in splits])

    figure, (left, right) = new_picture(2)
    left.axhline(teacher, color="0.4", linewidth=1)
    left.text(50, teacher, "teacher", va="bottom", fontsize=9)
    for style, name, values in zip(STYLES, ("alone", "distilled"), (alone, distilled)):
        means, spreads = zip(*values.values())
        left.errorbar(list(values), means, spreads, label=name, capsize=4, **style)
        for n, (mean, spread) in values.items():
            print(f"{name:10}{n:5d} images   accuracy {mean:.1f} +- {spread:.1f} %")
    left.set(xscale="log", xlabel="training images", ylabel="accuracy (%)", ylim=(65, 102))
    left.set_xticks(list(epochs), [str(n) for n in epochs], minor=False)
    left.minorticks_off()
    left.legend(loc="lower right")

    right.axhline(alone[100][0], linewidth=1.5, **STYLES[0] | {"marker": ""})
    right.text(20, alone[100][0], "alone", va="bottom", ha="right", fontsize=9)
    means, spreads = zip(*temperatures.values())
    right.errorbar(list(temperatures), means, spreads, capsize=4, **STYLES[1])
    right.set(xscale="log", xlabel="temperature (100 images)", ylabel="accuracy (%)", ylim=(65, 102))
    right.set_xticks(list(temperatures), [f"{t:.0f}" for t in temperatures], minor=False)
    right.minorticks_off()

    few, many = 100, 1437
    show_picture(
        figure,
        f"A student 64-16-10, mean and standard deviation of {len(splits)}. Left: with {few} images it has "
        f"{alone[few][0]:.1f} % alone and {distilled[few][0]:.1f} % distilled; with all {many:,} images "
        f"{alone[many][0]:.1f} % and {distilled[many][0]:.1f} %; the teacher has {teacher:.1f} %. Right: with {few} "
        "images the temperature matters: at 1 the teacher says little more than the labels do.",
    )


experiment_student_alone_and_distilled()


# %% [markdown]
# Distillation is not a gift in every case. Where labelled images are few, the teacher's probabilities carry what the
# labels leave out, and the student gains clearly. Where each image has a label and there are enough of them, the
# labels suffice, and this setting of `temperature` and `alpha` gains nothing or loses a little. The comparison is only
# fair because everything but the loss is the same.
#
# At a larger scale, **DistilBERT** (Sanh et al. 2019, arXiv 1910.01108) is a language model made in this way: 40 %
# smaller than its teacher BERT-base, 60 % faster, with 97 % of its language understanding. Like the student here, it is
# the same kind of network with fewer layers. A model of that size is what a **mobile** app can bring along.

# %% [markdown]
# ## Step 5: Structured Pruning
#
# Magnitude pruning leaves the arrays as large as they were: a matrix product multiplies by the zeros like by any other
# number. *Structured pruning* removes whole neurons, so that the arrays themselves become smaller. Neuron $j$ of a
# layer is column $j$ of `weights`; the simplest measure of its importance is the sum of its magnitudes,
#
# $$\text{importance}_j = \sum_i |w_{ij}|$$
#
# (the $\ell_1$ criterion of Li et al. 2017, arXiv 1608.08710, there for the filters of convolutions). Other measures
# are the variance of the column, and a random number as the baseline that any useful measure must beat.
#
# Of `output_size` neurons, the `max(1, int(keep_ratio * output_size))` most important ones stay, in their original
# order. In a model, two things must be kept in mind:
#
# - What the removed neurons sent to the next `Dense` is gone, so **the matching rows of the next layer's weights** have
#   to go as well. Otherwise the shapes do not fit, or worse, they fit by chance and the numbers are wrong.
# - **The last `Dense` keeps all its neurons**: they are the classes.
#
# Between the two layers there may be an activation; it works neuron by neuron, so it stays as it is.
#
# **Contract of `compute_neuron_importance`, `prune_layer_neurons`, `prune_model_neurons`** (15 points)
#
# | call | what holds |
# |---|---|
# | `compute_neuron_importance(layer, method="weight_magnitude")` | an array `(output_size,)` |
# | | `"weight_magnitude"`: sum of `abs(w)` of the column; `"weight_variance"`: population variance of the column (divided by `input_size`); `"random"`: finite random numbers that depend on neither weights nor position |
# | `prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude")` | returns `(pruned, info)`: `pruned` is a new, smaller `Dense`; the given layer is left as it was |
# | | it holds the `max(1, int(keep_ratio * output_size))` most important neurons in their original order, weights and bias copied; without a bias if the layer has none |
# | its `info` | `keep_ratio`, `importance_method`: as given |
# | | `original_neurons`, `remaining_neurons`, `neurons_removed`; `compression_ratio`: original / remaining neurons |
# | | `original_params`, `new_params`: weights and biases of the layer; `param_reduction`: the fraction removed, `1 - new / original` |
# | | `keep_indices`: the neurons kept, sorted integers |
# | `prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude")` | returns `(pruned, info)`: a new `Sequential`, with `Dense` layers of its own; the given model is left as it was |
# | | every `Dense` but the last lost neurons, ranked on the given model (all its input rows included); the next `Dense` lost the matching input rows |
# | | it runs on the same inputs and gives outputs of the same shape; removing neurons whose outgoing weights are all zero leaves the outputs as they were |
# | its `info` | `original_params`, `new_params`, `param_reduction`; `compression_ratio`: original / new parameters |
# | | `layers`: for each pruned `Dense`, so not the last, the info that `prune_layer_neurons` gives on the given model's layer |
# | `keep_ratio` not in (0, 1] or NaN; unknown `method` or `importance_method`; weights that are not all finite | `ValueError`, and nothing was modified; in a model also for the last layer, and where there is nothing to prune |

# %% nbgrader={"grade": false, "grade_id": "compute_neuron_importance", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def compute_neuron_importance(layer, method="weight_magnitude"):
    """How much each neuron of a Dense layer matters, an array (output_size,); more is more important.

    method: "weight_magnitude", "weight_variance" or "random". Raises ValueError for another one and for weights that
    are not all finite.
    """
    ### BEGIN SOLUTION
    weights = layer.weights.data
    if not np.isfinite(weights).all():
        raise ValueError("weights must all be finite")
    if method == "weight_magnitude":
        return np.abs(weights).sum(axis=0)
    if method == "weight_variance":
        return weights.var(axis=0)
    if method == "random":
        return np.random.default_rng().random(weights.shape[1])
    raise ValueError(f"method must be 'weight_magnitude', 'weight_variance' or 'random', not {method!r}")
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_structured_pruning_comprehensive-importance", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_structured_pruning_comprehensive_importance():
    """Importance is measured column by column: sum of magnitudes, population variance, or random numbers."""
    layer = dense_holding([[1.0, -2.0, 0.5], [3.0, 2.0, 0.5]])
    for method, expected in [("weight_magnitude", [4, 4, 1]), ("weight_variance", [1, 4, 0])]:
        got = compute_neuron_importance(layer, method)
        assert agrees_with(got, expected), (
            f"the neurons (columns) 1, 3 and -2, 2 and 0.5, 0.5 must have {method} {expected}, yours is {got}"
        )
    ### BEGIN HIDDEN TESTS
    rng = check_rng(51)
    layers = [random_dense(rng, *shape) for shape in [(7, 5), (4, 9), (1, 6), (8, 1)]]
    before = list(map(snapshot_of, layers))
    weights = [layer.weights.data.astype(np.float64) for layer in layers]
    magnitudes = [np.sqrt(w**2).sum(axis=0) for w in weights]
    variances = [(w**2).mean(axis=0) - w.mean(axis=0) ** 2 for w in weights]
    cases = [(layer, method) for method in ("weight_magnitude", "weight_variance") for layer in layers]
    *got, by_default = outcomes(compute_neuron_importance, [*cases, (layers[0],)])
    for (_, method), w, importance, outcome in zip(cases, weights * 2, magnitudes + variances, got, strict=True):
        values = result_of(outcome, f"{method} of weights {w.shape}")
        assert isinstance(values, np.ndarray), f"an array must come back, yours is a {type(values).__name__}"
        assert agrees_with(values, importance), f"{method} of weights {w.shape} must be {importance}, yours is {values}"
    assert agrees_with(result_of(by_default), magnitudes[0]), "the default method is weight_magnitude"
    ascending = dense_holding(np.ones((3, 60)) * np.arange(1, 61))
    got = compute_neuron_importance(ascending, method="random")
    assert isinstance(got, np.ndarray), f"random importance must be an array, yours is a {type(got).__name__}"
    assert got.shape == (60,), f"random importance must have shape (60,), yours has {got.shape}"
    assert np.all(np.isfinite(got)), "random importance must be finite, yours is not"
    different = len(set(got.tolist()))
    assert different > 5, f"random importance must differ from neuron to neuron, yours has {different} different values"
    order = np.argsort(got)
    ordered = any(np.array_equal(order, other) for other in (np.arange(60), np.arange(60)[::-1]))
    assert not ordered, "random importance must not rank the neurons by their position or weights, yours does"
    for layer, copied in zip(layers, before, strict=True):
        assert is_as_before(layer, copied), "computing the importance must leave the layer as it was, yours changed it"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_structured_pruning_comprehensive_importance()


# %% nbgrader={"grade": false, "grade_id": "prune_layer_neurons", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def prune_layer_neurons(layer, keep_ratio=0.7, importance_method="weight_magnitude"):
    """A new, smaller Dense with the `max(1, int(keep_ratio * output_size))` most important neurons of a layer.

    Returns `(pruned, info)`; info holds `keep_ratio`, `importance_method`, `original_neurons`, `remaining_neurons`,
    `neurons_removed`, `compression_ratio`, `original_params`, `new_params`, `param_reduction` and `keep_indices`.
    Raises ValueError for a ratio outside (0, 1], an unknown method and weights that are not all finite.
    """
    ### BEGIN SOLUTION
    if not 0 < keep_ratio <= 1:
        raise ValueError(f"keep_ratio must be in (0, 1], not {keep_ratio}")
    importance = compute_neuron_importance(layer, importance_method)
    keep = max(1, int(keep_ratio * layer.output_size))
    keep_indices = np.sort(np.argsort(importance)[-keep:])  # the most important, in their original order

    pruned = Dense(layer.input_size, keep, use_bias=layer.bias is not None)
    pruned.weights = layer.weights.data[:, keep_indices]
    if layer.bias is not None:
        pruned.bias = layer.bias.data[keep_indices]

    original_params, new_params = (sum(p.size for p in each.parameters()) for each in (layer, pruned))
    return pruned, {
        "keep_ratio": keep_ratio,
        "importance_method": importance_method,
        "original_neurons": layer.output_size,
        "remaining_neurons": keep,
        "neurons_removed": layer.output_size - keep,
        "compression_ratio": layer.output_size / keep,
        "original_params": original_params,
        "new_params": new_params,
        "param_reduction": 1 - new_params / original_params,
        "keep_indices": keep_indices,
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_structured_pruning_comprehensive", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_structured_pruning_comprehensive():
    """Half of four neurons go: a smaller layer with the two most important ones, in their order."""
    weights = np.array([[0.1, 2.0, -1.0, -4.0], [0.2, -3.0, 0.5, 5.0], [0.3, 0.0, 1.0, 0.0]], dtype=np.float32)
    pruned, _ = returned_pair(prune_layer_neurons(dense_holding(weights, bias=[10.0, 20.0, 30.0, 40.0]), 0.5), Dense)
    got, bias = pruned.weights.data, bias_array(pruned)
    assert got.shape == (3, 2), (
        f"2 of 4 neurons with 3 inputs each must leave weights of shape (3, 2), yours have {got.shape}: "
        "a neuron is a column, and removing it makes the array smaller"
    )
    assert not np.array_equal(got, weights[:, [0, 2]]), "the most important neurons must stay, yours keeps the least"
    assert not np.array_equal(got, weights[:, [3, 1]]), "the neurons must stay in their original order, yours do not"
    assert np.array_equal(got, weights[:, [1, 3]]), (
        "the neurons 1 and 3 have the largest sums of magnitudes, 5 and 9, and must stay with their weights; "
        f"your weights are {got.tolist()}"
    )
    assert np.array_equal(bias, [20, 40]), f"the bias of the neurons 1 and 3, 20 and 40, must stay too, yours is {bias}"


with warnings.catch_warnings(action="ignore"):
    test_structured_pruning_comprehensive()


# %% nbgrader={"grade": true, "grade_id": "test_structured_pruning_comprehensive-kept_neurons", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_structured_pruning_comprehensive_kept_neurons():
    """The neurons that stay are the most important ones by the chosen method, copied exactly, in their order."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(52)
    cases = []
    for method, ratio in [("weight_magnitude", 0.6), ("weight_variance", 0.6), ("weight_magnitude", 0.25)]:
        layer = random_dense(rng, 6, 12)
        layer.weights.data[:, :4] += 2.5
        cases.append((layer, ratio, method))
    given = [(layer.weights.data.astype(np.float64), layer.bias.data.copy()) for layer, _, _ in cases]
    got = outcomes(prune_layer_neurons, cases)
    for (_, ratio, method), (w, bias), outcome in zip(cases, given, got, strict=True):
        score = np.abs(w).sum(axis=0) if method == "weight_magnitude" else w.var(axis=0)
        pruned, _ = returned_pair(outcome, Dense)
        kept = pruned.weights.data.shape[1]
        assert 0 < kept < 12, f"keep_ratio={ratio} must remove some of 12 neurons and keep some, yours keeps {kept}"
        expected = np.sort(np.argsort(-score)[:kept])
        assert np.array_equal(pruned.weights.data, w[:, expected]), (
            f"keep_ratio={ratio}, {method}: the columns {expected} must stay, in this order and unchanged, yours are "
            "others"
        )
        assert np.array_equal(bias_array(pruned), bias[expected]), (
            f"keep_ratio={ratio}, {method}: the bias must be that of the neurons {expected}, yours is another"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_structured_pruning_comprehensive_kept_neurons()


# %% nbgrader={"grade": true, "grade_id": "test_structured_pruning_comprehensive-count", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_structured_pruning_comprehensive_count():
    """max(1, int(keep_ratio * output_size)) neurons stay, and the smaller layer runs."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(53)
    counts = [(10, 0.75, 7), (10, 0.99, 9), (8, 1.0, 8), (8, 0.01, 1), (1, 0.5, 1), (1, 1.0, 1), (7, 0.5, 3)]
    cases = [(random_dense(rng, 3, neurons), ratio) for neurons, ratio, _ in counts]
    found = outcomes(prune_layer_neurons, [*cases, (random_dense(rng, 3, 10),)])
    for (neurons, ratio, expected), outcome in zip([*counts, (10, 0.7, 7)], found, strict=True):
        pruned, _ = returned_pair(outcome, Dense)
        what = f"keep_ratio={ratio} of {neurons} neurons"
        shape = pruned.weights.data.shape
        assert shape == (3, expected), f"{what} must leave weights of shape (3, {expected}), yours have {shape}"
        sizes = pruned.input_size, pruned.output_size
        assert sizes == (3, expected), f"{what} must leave a Dense(3, {expected}), yours is a Dense{sizes}"
        shape = outputs_of(pruned, np.ones((2, 3))).shape
        assert shape == (2, expected), f"{what}: 2 inputs must give outputs (2, {expected}), yours are {shape}"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_structured_pruning_comprehensive_count()


# %% nbgrader={"grade": true, "grade_id": "test_structured_pruning_comprehensive-report", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_structured_pruning_comprehensive_report():
    """The report counts neurons and parameters, and says which neurons stayed."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(54)
    cases = [
        (random_dense(rng, 4, 9), 0.5, "weight_magnitude"),
        (random_dense(rng, 4, 9), 0.3, "random"),
        (random_dense(rng, 4, 9, use_bias=False), 0.8, "weight_variance"),
        (random_dense(rng, 4, 9, use_bias=False), 0.65, "random"),
    ]
    given = [layer.weights.data.copy() for layer, _, _ in cases]
    got = outcomes(prune_layer_neurons, cases)
    for (_, ratio, method), w, per_neuron, outcome in zip(cases, given, (5, 5, 4, 4), got, strict=True):
        pruned, info = returned_pair(outcome, Dense)
        kept = pruned.weights.data.shape[1]
        assert 0 < kept < 9, f"keep_ratio={ratio} must remove some of 9 neurons and keep some, yours keeps {kept}"
        expected = {
            "keep_ratio": ratio,
            "importance_method": method,
            "original_neurons": 9,
            "remaining_neurons": kept,
            "neurons_removed": 9 - kept,
            "compression_ratio": 9 / kept,
            "original_params": 9 * per_neuron,
            "new_params": kept * per_neuron,
            "param_reduction": (9 - kept) / 9,
        }
        what = f"keeping {kept} of 9 neurons with {per_neuron} parameters each"
        assert_report(info, expected, what)
        indices = report_numbers(info, "keep_indices")
        assert indices.dtype.kind in "iu", f"{what}: keep_indices must be integers, yours are {indices.dtype}"
        assert indices.shape == (kept,), f"{what}: keep_indices must hold {kept} of them, yours has {indices.shape}"
        assert np.all(np.diff(indices) > 0), f"{what}: keep_indices must be sorted and differ, yours are {indices}"
        assert 0 <= indices[0] <= indices[-1] <= 8, f"{what}: keep_indices must be from 0 to 8, yours are {indices}"
        assert np.array_equal(pruned.weights.data, w[:, indices]), (
            f"{what}: keep_indices must name the columns that the smaller layer has, yours, {indices}, do not"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_structured_pruning_comprehensive_report()


# %% nbgrader={"grade": true, "grade_id": "test_structured_pruning_comprehensive-original_kept", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_structured_pruning_comprehensive_original_kept():
    """The given layer stays as it was; a new Dense comes back, without a bias where there was none."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(55)
    for ratio in (0.5, 1.0):
        layers = [random_dense(rng, 5, 6), random_dense(rng, 5, 6, use_bias=False)]
        given = list(map(snapshot_of, layers))
        got = outcomes(prune_layer_neurons, [(layer,) for layer in layers], keep_ratio=ratio)
        for layer, before, with_bias, outcome in zip(layers, given, ("with", "without"), got, strict=True):
            pruned, _ = returned_pair(outcome, Dense)
            assert pruned is not layer, f"keep_ratio={ratio}: a new layer must come back, yours is the given one"
            shape = pruned.weights.data.shape
            smaller = shape[0] == 5 and (0 < shape[1] < 6 or shape[1] == 6 and ratio == 1)
            assert smaller, f"keep_ratio={ratio} of Dense(5, 6) must leave 5 inputs, fewer neurons, yours has {shape}"
            assert (pruned.bias is not None) == (with_bias == "with"), (
                f"a layer {with_bias} bias must give one {with_bias}, yours does not"
            )
            pruned.weights.data[...] = 0
            if pruned.bias is not None:
                pruned.bias.data[...] = 0
            sizes = layer.input_size, layer.output_size
            assert sizes == (5, 6), f"the given layer must stay a Dense(5, 6), yours became a Dense{sizes}"
            assert is_as_before(layer, before), "the given layer must stay as it was, yours is changed (copy the weights)"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_structured_pruning_comprehensive_original_kept()


# %% nbgrader={"grade": true, "grade_id": "test_structured_pruning_comprehensive-bad_arguments", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_structured_pruning_comprehensive_bad_arguments():
    """A bad ratio, an unknown method or weights that are not finite raise ValueError, and the layer stays."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(56)
    layer = random_dense(rng, 4, 5)
    given, before = [layer], [snapshot_of(layer)]
    methods = []  # what is bad whatever the ratio, and the arguments of compute_neuron_importance
    for method in ("magnitude", "l1", "weight_Magnitude", ""):
        methods.append((f"method={method!r}, which is unknown,", (layer, method)))
    for value, affected in [
        (math.nan, ("weight_magnitude", "weight_variance", "random")),
        (math.inf, ("weight_magnitude", "random")),
        (-math.inf, ("weight_magnitude", "weight_variance")),
    ]:
        not_finite = random_dense(rng, 4, 5)
        not_finite.weights.data[1, rng.integers(5)] = value
        given.append(not_finite)
        before.append(snapshot_of(not_finite))
        for method in affected:
            methods.append((f"a weight of {value} ({method})", (not_finite, method)))
    ratios = []
    for ratio in (0, 0.0, -0.5, 1.2, math.nan, math.inf):
        ratios.append((f"keep_ratio={ratio}, which is not in (0, 1],", (layer, ratio)))
    ratios += [(what, (each, 0.5, method)) for what, (each, method) in methods]
    for (what, _), outcome in zip(ratios, outcomes(prune_layer_neurons, [case for _, case in ratios]), strict=True):
        assert raised_value_error(outcome, what), f"{what} must raise ValueError, your prune_layer_neurons took it"
    found = outcomes(compute_neuron_importance, [case for _, case in methods])
    for (what, _), outcome in zip(methods, found, strict=True):
        assert raised_value_error(outcome, what), f"{what} must raise ValueError, your compute_neuron_importance took it"
    for each, copied in zip(given, before, strict=True):
        assert is_as_before(each, copied), "a bad argument must leave the layer as it was, yours changed it"
    good = [(random_dense(rng, 4, 5), ratio) for ratio in (1, 1.0, 0.001)]
    found = outcomes(prune_layer_neurons, good, importance_method="random")
    for (_, ratio), outcome in zip(good, found, strict=True):
        assert not raised_value_error(outcome, f"keep_ratio={ratio}"), (
            f"keep_ratio={ratio} is in (0, 1] and must be taken, yours raised ValueError"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_structured_pruning_comprehensive_bad_arguments()


# %% nbgrader={"grade": false, "grade_id": "prune_model_neurons", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def prune_model_neurons(model, keep_ratio=0.7, importance_method="weight_magnitude"):
    """A new Sequential, of new layers: every Dense but the last lost neurons, and the next one the matching input rows.

    Neurons are ranked on the given model. Returns `(pruned, info)`; info holds `original_params`, `new_params`,
    `param_reduction`, `compression_ratio` and `layers`, for each Dense but the last the info of `prune_layer_neurons`.
    Raises ValueError for a ratio outside (0, 1], an unknown method and weights that are not all finite.
    """
    ### BEGIN SOLUTION
    if not 0 < keep_ratio <= 1:
        raise ValueError(f"keep_ratio must be in (0, 1], not {keep_ratio}")
    dense = [layer for layer in model.layers if isinstance(layer, Dense)]
    for layer in dense:
        compute_neuron_importance(layer, importance_method)  # for its ValueErrors, the last layer's included

    layers, infos = [], []
    rows = None  # the inputs that the layer before has left; None: all
    for layer in model.layers:
        new = copy.deepcopy(layer)
        if isinstance(layer, Dense):
            kept_rows = rows
            if layer is not dense[-1]:
                new, info = prune_layer_neurons(layer, keep_ratio, importance_method)
                infos.append(info)
                rows = info["keep_indices"]
            if kept_rows is not None:
                wide, new = new, Dense(len(kept_rows), new.output_size, use_bias=new.bias is not None)
                new.weights = wide.weights.data[kept_rows]
                new.bias = wide.bias
        layers.append(new)

    pruned = Sequential(layers)
    original_params, new_params = (sum(p.size for p in each.parameters()) for each in (model, pruned))
    return pruned, {
        "original_params": original_params,
        "new_params": new_params,
        "param_reduction": 1 - new_params / original_params,
        "compression_ratio": original_params / new_params,
        "layers": infos,
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_structured_pruning_comprehensive-model_layers", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_structured_pruning_comprehensive_model_layers():
    """Every Dense but the last loses neurons, the next one the matching rows; the model runs as before."""
    model = Sequential([random_dense(check_rng(57), 5, 8), ReLU(), random_dense(check_rng(58), 8, 3), Softmax()])
    pruned, _ = returned_pair(prune_model_neurons(model, 0.5), Sequential)
    shapes = [dense_at(pruned, i).weights.data.shape for i in (0, 2)]
    assert shapes == [(5, 4), (4, 3)], (
        f"half of the 8 hidden neurons of Dense(5, 8), ReLU, Dense(8, 3) leave weights (5, 4) and (4, 3), yours are "
        f"{shapes[0]} and {shapes[1]}: the outputs stay, and the next layer has one input row for each neuron left"
    )
    ### BEGIN HIDDEN TESTS
    rng = check_rng(59)
    cases, given = [], []
    for method, ratio in [("weight_magnitude", 0.5), ("weight_variance", 0.5), ("weight_magnitude", 0.75)]:
        first, second, third = random_dense(rng, 4, 8), random_dense(rng, 8, 4, False), random_dense(rng, 4, 8)
        last = random_dense(rng, 8, 3)
        second.weights.data[rng.permutation(8)[:4]] *= 4
        layers = [Tanh(), first, ReLU(), Sigmoid(), second, third, Tanh(), last, Softmax()]
        cases.append((Sequential(layers), ratio, method))
        given.append({i: (layers[i].weights.data.copy(), copy.copy(bias_array(layers[i]))) for i in (1, 4, 5, 7)})
    kinds = [type(layer).__name__ for layer in layers]
    single = Sequential([random_dense(rng, 3, 4), ReLU()])
    expected_of_single = single(np.ones((1, 3))).data
    by_default = Sequential([random_dense(rng, 3, 10), ReLU(), random_dense(rng, 10, 2)])
    *got, of_single, of_default = outcomes(prune_model_neurons, [*cases, (single, 0.5), (by_default,)])
    for (_, ratio, method), arrays, outcome in zip(cases, given, got, strict=True):
        pruned, _ = returned_pair(outcome, Sequential)
        names = [type(layer).__name__ for layer in pruned.layers]
        assert names == kinds, f"the model must keep its 9 layers, activations included, yours has {names}"
        rows = np.arange(4)
        for i, (w, bias) in arrays.items():
            score = np.abs(w).sum(axis=0) if method == "weight_magnitude" else w.var(axis=0)
            kept = len(score) if i == 7 else max(1, int(ratio * len(score)))
            columns = np.sort(np.argsort(-score)[:kept])
            layer = dense_at(pruned, i)
            expected = w[rows][:, columns]
            assert layer.weights.data.shape == expected.shape, (
                f"keep_ratio={ratio}: layer {i} must have weights {expected.shape}, yours {layer.weights.data.shape}"
            )
            assert np.array_equal(layer.weights.data, expected), (
                f"keep_ratio={ratio}, {method}: layer {i} must hold the rows {rows} and the columns {columns} of the "
                "given model's layer, ranked there; yours holds others"
            )
            assert (layer.bias is None) == (bias is None), f"layer {i} must have a bias only where the given one has"
            if bias is not None:
                right = np.array_equal(bias_array(layer), bias[columns])
                assert right, f"keep_ratio={ratio}: layer {i} must hold the bias of the neurons {columns}"
            rows = columns
        shape = outputs_of(pruned, np.ones((3, 4))).shape
        assert shape == (3, 3), f"3 inputs must give outputs (3, 3) as before, yours give {shape}"
    pruned, _ = returned_pair(of_single, Sequential)
    assert agrees_with(outputs_of(pruned, np.ones((1, 3))), expected_of_single), (
        "a model of one Dense has only outputs to lose and must compute what it did, yours does not"
    )
    pruned, _ = returned_pair(of_default, Sequential)
    shape = dense_at(pruned, 0).weights.data.shape
    assert shape == (3, 7), f"without a ratio 0.7 of 10 neurons stay, weights (3, 7), yours have {shape}"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_structured_pruning_comprehensive_model_layers()


# %% nbgrader={"grade": true, "grade_id": "test_structured_pruning_comprehensive-model_silent_neurons", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_structured_pruning_comprehensive_model_silent_neurons():
    """Removing neurons whose outgoing weights are all zero leaves the outputs as they were."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(510)
    models = []
    for activation in (ReLU, Sigmoid, Tanh):
        layers = [random_dense(rng, 4, 8), random_dense(rng, 8, 6, False), random_dense(rng, 6, 3)]
        for layer, following, silent in [
            (layers[0], layers[1], rng.permutation(8)[:4]),
            (layers[1], layers[2], rng.permutation(6)[:3]),
        ]:
            layer.weights.data[:, silent] *= 1e-3
            following.weights.data[silent] = 0
        models.append(Sequential([layers[0], activation(), layers[1], activation(), layers[2]]))
    x = rng.standard_normal((5, 4))
    outputs = [model(x).data.copy() for model in models]
    got = outcomes(prune_model_neurons, [(model, 0.5) for model in models])
    for name, expected, outcome in zip(("ReLU", "Sigmoid", "Tanh"), outputs, got, strict=True):
        pruned, _ = returned_pair(outcome, Sequential)
        shape = dense_at(pruned, 0).weights.data.shape
        assert shape == (4, 4), f"half of 8 neurons must go, yours leaves weights {shape}"
        y = outputs_of(pruned, x)
        assert agrees_with(y, expected, atol=1e-5), (
            f"the removed neurons sent nothing on ({name}), so the outputs must stay as they were; "
            f"the first were {expected[0]}, yours are {y[0]}"
        )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_structured_pruning_comprehensive_model_silent_neurons()


# %% nbgrader={"grade": true, "grade_id": "test_structured_pruning_comprehensive-model_report", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_structured_pruning_comprehensive_model_report():
    """The report counts the parameters of both models, and describes each pruned layer."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(511)
    for method in ("weight_magnitude", "random"):
        model = Sequential([random_dense(rng, 4, 8), ReLU(), random_dense(rng, 8, 6, False), random_dense(rng, 6, 3)])
        given = {i: model.layers[i].weights.data.copy() for i in (0, 2)}
        pruned, info = returned_pair(prune_model_neurons(model, 0.55, importance_method=method), Sequential)
        new_params = sum(array.size for array in arrays_of(pruned))
        expected = {
            "original_params": 109,
            "new_params": new_params,
            "param_reduction": 1 - new_params / 109,
            "compression_ratio": 109 / new_params,
        }
        assert new_params < 109, "pruning must leave fewer than the 109 parameters, yours leaves them all"
        assert_report(info, expected, f"your pruned model has {new_params} of 109 parameters")
        entries = report_field(info, "layers")
        count = len(entries) if isinstance(entries, (list, tuple)) else 0
        assert count == 2, f"'layers' must be a list of 2 reports, the last Dense has none, yours is {entries}"
        rows = np.arange(4)
        for entry, i, neurons, per_neuron in [(entries[0], 0, 8, 5), (entries[1], 2, 6, 8)]:
            kept = dense_at(pruned, i).weights.data.shape[1]
            expected = {
                "keep_ratio": 0.55,
                "importance_method": method,
                "original_neurons": neurons,
                "remaining_neurons": kept,
                "neurons_removed": neurons - kept,
                "compression_ratio": neurons / kept,
                "original_params": neurons * per_neuron,
                "new_params": kept * per_neuron,
                "param_reduction": 1 - kept / neurons,
            }
            what = f"layer {i} keeps {kept} of {neurons} neurons with {per_neuron} parameters each in the given model"
            assert_report(entry, expected, what)
            columns = report_numbers(entry, "keep_indices")
            integers = columns.shape == (kept,) and columns.dtype.kind in "iu"
            possible = integers and np.all((columns >= 0) & (columns < neurons))
            assert possible, f"{what}: keep_indices must hold {kept} integers below {neurons}, yours are {columns}"
            assert np.array_equal(dense_at(pruned, i).weights.data, given[i][rows][:, columns]), (
                f"{what}: keep_indices must name the neurons that your pruned model has, yours, {columns}, do not"
            )
            rows = columns
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_structured_pruning_comprehensive_model_report()


# %% nbgrader={"grade": true, "grade_id": "test_structured_pruning_comprehensive-model_arguments", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_structured_pruning_comprehensive_model_arguments():
    """The given model stays as it was; a bad ratio, method or weight raises ValueError."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(512)

    def new_model():
        return Sequential([random_dense(rng, 4, 5), ReLU(), random_dense(rng, 5, 4, False), random_dense(rng, 4, 2)])

    model, single = new_model(), Sequential([random_dense(rng, 3, 4)])
    layers, before = list(model.layers), snapshot_of(model)
    single_dense, single_before = single.layers[0], snapshot_of(single)
    *got, of_single = outcomes(prune_model_neurons, [(model, 0.5), (model, 1.0), (single, 0.5)])
    for ratio, outcome in zip((0.5, 1.0), got, strict=True):
        pruned, _ = returned_pair(outcome, Sequential)
        shape = dense_at(pruned, 0).weights.data.shape
        smaller = shape[0] == 4 and (0 < shape[1] < 5 or shape[1] == 5 and ratio == 1)
        assert smaller, f"keep_ratio={ratio} of Dense(4, 5) must leave 4 inputs and fewer neurons, yours has {shape}"
        assert pruned is not model, f"keep_ratio={ratio}: a new model must come back, yours is the given one"
        for i in (0, 2, 3):
            layer = dense_at(pruned, i)
            assert layer is not layers[i], f"layer {i} of the new model must be a new one, yours is the given one"
            for array in arrays_of(layer):
                array[...] = 0
        same = len(model.layers) == 4 and all(a is b for a, b in zip(model.layers, layers, strict=True))
        assert same, f"keep_ratio={ratio}: the given model must keep its layers, yours has others now"
        assert is_as_before(model, before), f"keep_ratio={ratio}: the given model must stay as it was, yours is changed"
    pruned, _ = returned_pair(of_single, Sequential)
    same = dense_at(pruned, 0) is single_dense
    assert not same, "the Dense of a model that has only one must be a new one too, yours is the given one"
    given, copies = [model, single], [before, single_before]
    bad = []
    for ratio in (0, -0.5, 1.5, math.nan):
        bad.append((f"keep_ratio={ratio}, which is not in (0, 1],", (model, ratio)))
    for method in ("magnitude", ""):
        bad.append((f"importance_method={method!r}, which is unknown,", (model, 0.5, method)))
        bad.append((f"importance_method={method!r}, for a model of one Dense too,", (single, 0.5, method)))
    for i, value in [(0, math.nan), (2, math.inf), (3, math.nan)]:
        not_finite = new_model()
        not_finite.layers[i].weights.data[1, 1] = value
        given.append(not_finite)
        copies.append(snapshot_of(not_finite))
        for method in ("weight_magnitude", "random"):
            bad.append((f"a weight of {value} in layer {i} ({method})", (not_finite, 0.5, method)))
    for (what, _), outcome in zip(bad, outcomes(prune_model_neurons, [case for _, case in bad]), strict=True):
        assert raised_value_error(outcome, what), f"{what} must raise ValueError, yours took it"
    for each, copied in zip(given, copies, strict=True):
        assert is_as_before(each, copied), "a bad argument must leave the model as it was, yours changed it"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_structured_pruning_comprehensive_model_arguments()


# %% [markdown]
# ### Experiment: fewer neurons
#
# The trained network loses neurons in both hidden layers, chosen by each of the three measures; then the best of them
# is trained on for 12 epochs. Means of five splits.

# %% nbgrader={"grade": false, "grade_id": "experiment-neurons", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["experiment"]
def experiment_fewer_neurons():
    if not RUN_EXPERIMENTS:
        return
    splits = range(5)
    ratios = [1.0, 0.75, 0.5, 0.25, 0.125]
    methods = ("weight_magnitude", "weight_variance", "random")
    before, after = np.zeros((2, len(methods), len(ratios), len(splits)))
    parameters = []
    for i, ratio in enumerate(ratios):
        for j, method in enumerate(methods):
            for split in splits:
                model, info = prune_model_neurons(trained_network(split), ratio, method)
                before[j, i, split] = accuracy_on_digits(model, split)
                if method != "weight_variance":
                    after[j, i, split] = accuracy_on_digits(train_on_digits(model, split, epochs=12), split)
        parameters.append(info["new_params"])

    figure, (left, right) = new_picture(2)
    percent = 100 * np.array(ratios)
    print("neurons kept (%)".ljust(32), *(f"{p:7.1f}" for p in percent))
    print("parameters".ljust(32), *(f"{n:7,d}" for n in parameters))
    for j, method in enumerate(methods):
        left.plot(percent, before[j].mean(axis=1), label=method, **STYLES[j])
        print(f"{method:32}", *(f"{value:7.2f}" for value in before[j].mean(axis=1)))
        if method != "weight_variance":
            right.errorbar(
                percent, after[j].mean(1), after[j].std(1), label=method, capsize=4, **STYLES[j]
            )
            name = f"{method}, retrained"
            print(f"{name:32}", *(f"{value:7.2f}" for value in after[j].mean(axis=1)))
    left.set(xlabel="neurons kept (%)", ylabel="accuracy (%)", ylim=(0, 103), title="pruned")
    right.set(xlabel="neurons kept (%)", ylabel="accuracy (%)", title="pruned and retrained")
    left.legend()
    right.legend()
    half = ratios.index(0.5)
    show_picture(
        figure,
        f"Accuracy against the share of hidden neurons kept, mean of {len(splits)} splits. Left: at half the neurons, "
        f"without retraining, {before[0, half].mean():.1f} % by magnitude, {before[1, half].mean():.1f} % by variance, "
        f"{before[2, half].mean():.1f} % at random. Right, on a scale of its own, after 12 epochs of retraining: "
        f"{after[0, half].mean():.1f} % by magnitude, {after[2, half].mean():.1f} % at random; bars are the standard "
        "deviation.",
    )


experiment_fewer_neurons()


# %% [markdown]
# How far a measure beats chance depends on how much is removed: compare the columns. Retraining evens out most of the
# difference, so what remains is above all the smaller architecture itself; the weights it begins from count for less.
# One may therefore look for the architecture first.
# **MobileNet** (Howard et al. 2017, arXiv 1704.04861) is small by design: it replaces convolutions by
# depthwise-separable ones, with far fewer weights, and is trained from scratch. And **neural architecture search**
# automates what the five points of this picture are by hand: try architectures, measure each on accuracy and cost, keep
# the best. With one number to choose, `keep_ratio`, five trials are enough; with the number of layers, the width of each
# and their kinds, a program has to do the search.
#
# ### Experiment: what is truly faster
#
# Time for one forward pass, for one image and for a batch of 128, as the median of many passes. Beside the networks with
# fewer neurons stands the full one with as few nonzero weights by magnitude pruning, and the full one quantized to 8
# bits. The networks are 784-300-100-10, untrained: the time does not depend on what the weights are.

# %% nbgrader={"grade": false, "grade_id": "experiment-latency", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["experiment"]
def experiment_what_is_truly_faster():
    if not RUN_EXPERIMENTS:
        return
    images = np.random.default_rng(0).random((128, 784), dtype=np.float32)
    full = create_mlp(784, [300, 100], 10, rng=0)
    networks = {"full": full}
    for ratio in (0.75, 0.5, 0.25):
        networks[f"{100 * ratio:.0f} % of the neurons"], info = prune_model_neurons(full, ratio)
        if ratio == 0.5:
            removed = info["param_reduction"]
    sparse, _ = prune_model_by_magnitude(copy.deepcopy(full), removed)
    networks[f"{100 * removed:.0f} % of the weights 0"] = sparse
    networks["8 bits"] = copy.deepcopy(full)
    for layer in dense_by_index(networks["8 bits"]).values():
        quantize_layer_weights(layer, 8)

    times = {}
    print("784-300-100-10             one image: median, 99 %    batch of 128: median    a million images")
    for name, network in networks.items():
        one, batch = times_in_microseconds(network, images[:1], 400), times_in_microseconds(network, images, 100)
        times[name] = (np.median(one), np.median(batch))
        print(
            f"{name:27}{np.median(one):10.0f} us{np.percentile(one, 99):6.0f} us"
            f"{np.median(batch):22.0f} us{np.median(batch) / 128:18.1f} s"
        )

    figure, axes = new_picture(2)
    for ax, column, title in zip(axes, (0, 1), ("1 image", "128 images")):
        values = [time_pair[column] for time_pair in times.values()]
        ax.barh(list(times), values, color=STYLES[column]["color"])
        for row, value in enumerate(values):
            ax.text(value, row, f" {value:.0f}", va="center")
        ax.invert_yaxis()
        ax.set(xlabel=f"time of a forward pass of {title}, median (µs)", xlim=(0, 1.25 * max(values)))
    axes[1].set_yticklabels([])
    whole, half = times["full"], times["50 % of the neurons"]
    same = times[f"{100 * removed:.0f} % of the weights 0"]
    show_picture(
        figure,
        f"Half of the neurons: {whole[1] / half[1]:.1f} times as fast with a batch of 128 and {whole[0] / half[0]:.1f} "
        f"times with one image. The network with the same number of nonzero weights in arrays of full size: "
        f"{whole[1] / same[1]:.1f} times as fast with a batch of 128. Times vary from run to run and with what else the "
        "machine is doing.",
    )


experiment_what_is_truly_faster()


# %% [markdown]
# Zeros and few bits save space, smaller arrays save time. Two fields read this table differently:
#
# - **Real-time inference**, such as in an autonomous vehicle, waits for one answer: the columns for one image count, and
#   the slow passes more than the median, because an answer that comes too late is a wrong one. For so small a batch a
#   good part of the time is Python calling each layer, which no smaller array saves.
# - **Cloud inference** pays for machine time, whoever waits: the last column is the time for a million images in batches
#   of 128, and a network that is twice as fast halves that part of the bill.

# %% [markdown]
# ## Step 6: Comprehensive Comparison
#
# To compare techniques, one honest measure of size is needed: the bytes a file takes. A layer of $n$ weights with $m$
# nonzero ones can be stored in three forms, and a good format chooses the smallest:
#
# | form | bytes, weights in float32 | bytes, weights quantized to $b$ bits |
# |---|---|---|
# | dense | $4n$ | $4n$ |
# | packed | not possible | $\lceil n b / 8 \rceil + 8$ |
# | bitmask | $\lceil n / 8 \rceil + 4m$ | $\lceil n / 8 \rceil + 4m$, or $\lceil n / 8 \rceil + \lceil m b / 8 \rceil + 8$ |
#
# The 8 bytes are `scale` and `zero_point`. The bitmask has one bit for each weight: 0 or not. It is worth its $n / 8$
# bytes when few weights are left. For float32, $n / 8 + 4m < 4n$ means a density $m / n$ below $31/32$; at $b$ bits,
# $n / 8 + m b / 8 < n b / 8$ means a density below $1 - 1/b$. So a network at half density and 8 bits is stored as a
# bitmask, and one at 90 % density and 4 bits is packed. A bias always takes 4 bytes a number. `tinytorch.storage`
# writes these forms to disk (beside them a small header), so every size below can be checked against a file.
#
# (The forms are the module's own, simple ones. Deep Compression, arXiv 1510.00149, stores relative indices instead of
# a bitmask and adds Huffman coding; LeNet-300-100 shrinks from 1070 KB to 27 KB there, at an error of 1.58 % after
# 1.64 %.)
#
# **Contract of `compare_compression_techniques(model, inputs=None, labels=None)`** (10 points)
#
# | key | the model it describes |
# |---|---|
# | `baseline` | as given, every layer stored dense |
# | `magnitude_pruning` | pruned at ratio 0.5, `scope="global"` |
# | `quantization` | every `Dense` quantized to 8 bits by `quantize_layer_weights` |
# | `structured_pruning` | `prune_model_neurons` with `keep_ratio=0.75` |
# | `combined` | structured 0.75, then magnitude 0.5 (global), then 8 bits |
#
# | in each result | what it is |
# |---|---|
# | `technique` | a readable name, a string |
# | `parameters` | stored entries of weights and biases, zeros included |
# | `size_mb` | bytes in the smallest form of each layer, plus 4 for each bias entry, in MB; the baseline dense |
# | `compression_ratio` | baseline size / size |
# | `memory_reduction` | 1 - size / baseline size |
# | `accuracy` | fraction of right predictions, where `inputs` `(n, features)` and integer `labels` `(n,)` are given |
# | `sparsity` | in `magnitude_pruning` and `combined`: fraction of zero weights over the whole model, after the last step |
# | `avg_memory_reduction_factor` | in `quantization`: mean over the layers of `memory_reduction` |
# | `param_reduction` | in `structured_pruning`: the fraction of parameters removed |
#
# The given model, `inputs` and `labels` are left as they were. Weights that are not all finite: `ValueError`.

# %% nbgrader={"grade": false, "grade_id": "compare_compression_techniques", "locked": false, "schema_version": 3, "solution": true, "task": false}
#| export
def compare_compression_techniques(model, inputs=None, labels=None):
    """Compress copies of a Sequential in four ways and measure each: size, parameters and, given data, accuracy.

    inputs: (n, features); labels: integers (n,). Returns a dict of dicts: `baseline`, `magnitude_pruning` (0.5,
    global), `quantization` (8 bits), `structured_pruning` (keep 0.75) and `combined` (structured 0.75, then magnitude
    0.5, then 8 bits), each with `technique`, `parameters`, `size_mb`, `compression_ratio`, `memory_reduction` and,
    where data are given, `accuracy`. The model is left as it was.
    """
    ### BEGIN SOLUTION

    def dense_layers(network):
        return [layer for layer in network.layers if isinstance(layer, Dense)]

    def quantize(network):
        return [quantize_layer_weights(layer, 8)[1] for layer in dense_layers(network)]

    def layer_bytes(layer, bits):
        n, nonzero = layer.weights.size, np.count_nonzero(layer.weights.data)
        mask = math.ceil(n / 8)
        forms = [4 * n, mask + 4 * nonzero]
        if bits is not None:
            forms += [math.ceil(n * bits / 8) + 8, mask + math.ceil(nonzero * bits / 8) + 8]
        return min(forms) + (0 if layer.bias is None else 4 * layer.bias.size)

    def measure(technique, network, size, **more):
        parameters = CompressionMetrics().count_parameters(network)["total_parameters"]
        result = {
            "technique": technique,
            "parameters": parameters,
            "size_mb": size / 1024**2,
            "compression_ratio": baseline_size / size,
            "memory_reduction": 1 - size / baseline_size,
        }
        if inputs is not None and labels is not None:
            predictions = network(inputs).data.argmax(axis=1)
            result["accuracy"] = float(np.mean(predictions == np.asarray(labels)))
        return result | more

    def stored_bytes(network, bits=None):
        return sum(layer_bytes(layer, bits) for layer in dense_layers(network))

    baseline_size = CompressionMetrics().calculate_model_size(model)["total_bytes"]
    pruned, pruned_info = prune_model_by_magnitude(copy.deepcopy(model), 0.5, scope="global")
    quantized = copy.deepcopy(model)
    quantized_infos = quantize(quantized)
    narrow, narrow_info = prune_model_neurons(model, 0.75)
    combined, _ = prune_model_by_magnitude(prune_model_neurons(model, 0.75)[0], 0.5, scope="global")
    quantize(combined)
    zeros = sum(np.count_nonzero(layer.weights.data == 0) for layer in dense_layers(combined))
    weights = sum(layer.weights.size for layer in dense_layers(combined))
    return {
        "baseline": measure("Baseline (float32)", model, baseline_size),
        "magnitude_pruning": measure(
            "Magnitude pruning (50 %)", pruned, stored_bytes(pruned), sparsity=pruned_info["sparsity"]
        ),
        "quantization": measure(
            "Quantization (8 bits)",
            quantized,
            stored_bytes(quantized, 8),
            avg_memory_reduction_factor=float(np.mean([info["memory_reduction"] for info in quantized_infos])),
        ),
        "structured_pruning": measure(
            "Structured pruning (75 % of the neurons)",
            narrow,
            stored_bytes(narrow),
            param_reduction=narrow_info["param_reduction"],
        ),
        "combined": measure("All combined", combined, stored_bytes(combined, 8), sparsity=zeros / weights),
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_compression_integration_comprehensive", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_compression_integration_comprehensive():
    """The comparison holds all five results, with and without data; the baseline is the model as it is."""
    rng = check_rng(61)
    model = Sequential([random_dense(rng, 30, 20), ReLU(), random_dense(rng, 20, 5)])
    inputs = rng.standard_normal((4, 30)).astype(np.float32)
    for arguments in [(model,), (model, inputs, np.array([0, 1, 2, 3]))]:
        results = compare_compression_techniques(*arguments)
        for name in ("baseline", "magnitude_pruning", "quantization", "structured_pruning", "combined"):
            result = report_field(results, name)
            keys = ["technique", "parameters", "size_mb", "compression_ratio", "memory_reduction"]
            if len(arguments) > 1:
                keys.append("accuracy")
            for key in keys:
                report_field(result, key)
            technique = result["technique"]
            readable = isinstance(technique, str) and technique.strip()
            assert readable, f"the technique of {name} must be a readable name, yours is {technique!r}"
        expected = {"parameters": 725, "size_mb": 725 * 4 / 1024**2, "compression_ratio": 1.0, "memory_reduction": 0.0}
        assert_report(report_field(results, "baseline"), expected, "the baseline, 725 parameters of 4 bytes")


with warnings.catch_warnings(action="ignore"):
    test_compression_integration_comprehensive()


# %% nbgrader={"grade": true, "grade_id": "test_compression_integration_comprehensive-size", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_compression_integration_comprehensive_size():
    """Sizes are honest: each layer in the smallest of the forms it can be stored in, biases in float32."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(62)

    def cut(weights):
        """The weights with the smaller half of all of them at 0."""
        ranked = np.sort(np.concatenate([np.abs(w).ravel() for w in weights]))
        limit = ranked[round(0.5 * len(ranked)) - 1]
        return [np.where(np.abs(w) <= limit, 0, w) for w in weights]

    def stored(weights, biases, bits):
        """Bytes of the layers, with the weights that 8 bits round to 0 as zeros."""
        total = 4 * sum(biases)
        for w in weights:
            step = (max(w.max(), 0) - min(w.min(), 0)) / 255
            nonzero = np.count_nonzero(np.abs(w) > step / 2 if bits else w)
            mask = (w.size + 7) // 8
            sizes = [4 * w.size, mask + 4 * nonzero]
            total += min([*sizes, w.size + 8, mask + nonzero + 8] if bits else sizes)
        return total

    models, whats, bytes_of = [], [], []
    for sizes, sparse in [((24, 20, 16, 3), 0.0), ((20, 16, 1, 2), 0.7)]:
        dense = [random_dense(rng, a, b, i != 1) for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True))]
        w = dense[0].weights.data
        w.flat[rng.permutation(w.size)[: int(sparse * w.size)]] = 0
        w[0, 0] = 400  # makes 8 bits coarse: many weights of this layer become 0
        weights = [layer.weights.data.astype(np.float64) for layer in dense]
        biases = [sizes[1], 0, sizes[3]]
        narrow, rows = [], np.arange(sizes[0])
        for w in weights:
            keep = max(1, int(0.75 * w.shape[1])) if w is not weights[-1] else w.shape[1]
            columns = np.sort(np.argsort(-np.abs(w).sum(axis=0))[:keep])
            narrow.append(w[rows][:, columns])
            rows = columns
        narrow_biases = [narrow[0].shape[1], 0, sizes[3]]
        models.append(Sequential([dense[0], ReLU(), dense[1], Tanh(), dense[2]]))
        whats.append(f"sizes {sizes} ({sparse:.0%} of the first layer's weights at 0, the second layer without bias)")
        bytes_of.append(
            {
                "baseline": 4 * (sum(w.size for w in weights) + sum(biases)),
                "magnitude_pruning": stored(cut(weights), biases, None),
                "quantization": stored(weights, biases, 8),
                "structured_pruning": stored(narrow, narrow_biases, None),
                "combined": stored(cut(narrow), narrow_biases, 8),
            }
        )
    found = outcomes(compare_compression_techniques, [(model,) for model in models])
    for what, expected, outcome in zip(whats, bytes_of, found, strict=True):
        results = result_of(outcome, f"a model of {what}")
        for name, size in expected.items():
            got = report_numbers(report_field(results, name), "size_mb")
            assert agrees_with(got, size / 1024**2), (
                f"{name} of a model of {what} must take {size} bytes, {size / 1024**2:.6f} MB, yours takes {got} MB"
            )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_compression_integration_comprehensive_size()


# %% nbgrader={"grade": true, "grade_id": "test_compression_integration_comprehensive-ratios", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_compression_integration_comprehensive_ratios():
    """Ratio and reduction compare the size with the baseline's, without rounding."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(63)
    weights = rng.permutation(np.linspace(0.5, 1, 164)) * rng.choice([-1, 1], 164)
    results = compare_compression_techniques(Sequential([dense_holding(weights.reshape(41, 4), np.zeros(4))]))
    # 164 weights and 4 biases in one layer, whose neurons are outputs; a bitmask takes 20.5, so 21 bytes.
    for name, size in [
        ("magnitude_pruning", 21 + 82 * 4 + 16),
        ("quantization", 164 + 8 + 16),
        ("structured_pruning", 672),
        ("combined", 21 + 82 + 8 + 16),
    ]:
        expected = {"compression_ratio": 672 / size, "memory_reduction": 1 - size / 672}
        what = f"{name} of Dense(41, 4) takes {size} bytes, the baseline 672"
        assert_report(report_field(results, name), expected, what)
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_compression_integration_comprehensive_ratios()


# %% nbgrader={"grade": true, "grade_id": "test_compression_integration_comprehensive-parameters", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_compression_integration_comprehensive_parameters():
    """Parameters are stored entries, zeros included: removing neurons alone leaves fewer."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(64)
    model = Sequential([random_dense(rng, 6, 8), Tanh(), random_dense(rng, 8, 3)])
    results = compare_compression_techniques(model)
    what = "Dense(6, 8), Tanh, Dense(8, 3) has 83 parameters, with 6 of 8 hidden neurons 63"
    for name, parameters in [
        ("baseline", 83),
        ("magnitude_pruning", 83),
        ("quantization", 83),
        ("structured_pruning", 63),
        ("combined", 63),
    ]:
        assert_report(report_field(results, name), {"parameters": parameters}, f"{what}; {name}")
    expected = {"param_reduction": 20 / 83}
    assert_report(report_field(results, "structured_pruning"), expected, f"{what}; structured_pruning")
    expected = {"avg_memory_reduction_factor": 4.0}
    assert_report(report_field(results, "quantization"), expected, "each layer goes from 32 to 8 bits; quantization")
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_compression_integration_comprehensive_parameters()


# %% nbgrader={"grade": true, "grade_id": "test_compression_integration_comprehensive-sparsity", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_compression_integration_comprehensive_sparsity():
    """Sparsity is the fraction of zero weights over the whole model, after the last step."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(65)
    model = Sequential([random_dense(rng, 6, 9), ReLU(), random_dense(rng, 9, 4)])
    model.layers[2].weights.data *= 2
    layer = random_dense(rng, 11, 7)
    layer.weights.data[4, 2] = 600
    w = np.abs(layer.weights.data.astype(np.float64))
    cut = np.where(w < np.sort(w, axis=None)[round(0.5 * w.size)], 0, layer.weights.data)
    step = (600 - min(cut.min(), 0)) / 255
    zeros = int(np.sum(np.abs(cut) < step / 2))
    first, second = outcomes(compare_compression_techniques, [(model,), (Sequential([layer]),)])
    assert_report(
        report_field(result_of(first), "magnitude_pruning"),
        {"sparsity": 0.5},
        "magnitude_pruning of 54 + 36 weights at ratio 0.5",
    )
    assert_report(
        report_field(result_of(second), "combined"),
        {"sparsity": zeros / 77},
        f"combined, on a Dense(11, 7) with a weight of 600: pruning and then 8 bits leave {zeros} of 77 weights at 0",
    )
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_compression_integration_comprehensive_sparsity()


# %% nbgrader={"grade": true, "grade_id": "test_compression_integration_comprehensive-accuracy", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def test_compression_integration_comprehensive_accuracy():
    """Each accuracy is the fraction that the compressed model itself gets right."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(66)
    dense = [random_dense(rng, 7, 8), random_dense(rng, 8, 4)]
    dense[0].weights.data[0, 0] = 90  # makes 8 bits coarse, and multiplies a feature that is always 0
    a, b = (layer.weights.data.astype(np.float64) for layer in dense)
    p, q = (layer.bias.data.astype(np.float64) for layer in dense)
    inputs = rng.standard_normal((80, 7)).astype(np.float32)
    inputs[:, 0] = 0

    def halve(*weights):
        ranked = np.sort(np.abs(np.concatenate([w.ravel() for w in weights])))
        return [np.where(np.abs(w) < ranked[round(0.5 * len(ranked))], 0, w) for w in weights]

    def eight_bits(*weights):
        for w in weights:
            step = (max(w.max(), 0) - min(w.min(), 0)) / 255
            zero = np.rint(-min(w.min(), 0) / step)
            yield (np.clip(np.rint(w / step) + zero, 0, 255) - zero) * step

    kept = np.sort(np.argsort(np.abs(a).sum(axis=0))[2:])
    narrow = a[:, kept], b[kept]
    variants = {
        "baseline": (a, p, b),
        "magnitude_pruning": (halve(a, b)[0], p, halve(a, b)[1]),
        "structured_pruning": (narrow[0], p[kept], narrow[1]),
    }
    first, second = eight_bits(a, b)
    variants["quantization"] = first, p, second
    first, second = eight_bits(*halve(*narrow))
    variants["combined"] = first, p[kept], second
    logits = {name: np.maximum(inputs @ w + bias, 0) @ v + q for name, (w, bias, v) in variants.items()}
    margins = [np.diff(np.sort(z, axis=1)[:, -2:])[:, 0] for z in logits.values()]
    clear = np.min(margins, axis=0) > 0.02  # no prediction that float32 could turn
    labels = logits["baseline"].argmax(axis=1)
    labels[::4] = rng.integers(4, size=20)
    results = compare_compression_techniques(Sequential([dense[0], ReLU(), dense[1]]), inputs[clear], labels[clear])
    for name, z in logits.items():
        right = int(np.sum(z.argmax(axis=1)[clear] == labels[clear]))
        expected = {"accuracy": right / int(clear.sum())}
        assert_report(report_field(results, name), expected, f"{name} gets {right} of {clear.sum()} right")
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_compression_integration_comprehensive_accuracy()


# %% nbgrader={"grade": true, "grade_id": "test_compression_integration_comprehensive-untouched", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def test_compression_integration_comprehensive_untouched():
    """Model and data stay as they were; weights that are not finite raise ValueError."""
    ### BEGIN HIDDEN TESTS
    rng = check_rng(67)
    model = Sequential([random_dense(rng, 5, 8), ReLU(), random_dense(rng, 8, 3, False)])
    inputs, labels = rng.standard_normal((6, 5)).astype(np.float32), rng.integers(3, size=6)
    layers, before = list(model.layers), snapshot_of(model)
    copies = inputs.copy(), labels.copy()
    results = compare_compression_techniques(model, inputs=inputs, labels=labels)
    report_field(results, "combined")
    same = len(model.layers) == 3 and all(a is b for a, b in zip(model.layers, layers, strict=True))
    assert same, "the given model must keep its layers, yours has others now"
    assert is_as_before(model, before), "the given model must stay as it was, yours has other weights now: compress copies"
    assert np.array_equal(inputs, copies[0]), "the inputs must stay as they were, yours are changed"
    assert np.array_equal(labels, copies[1]), "the labels must stay as they were, yours are changed"
    model.layers[2].weights.data[1, 1] = math.nan
    before = snapshot_of(model)
    (outcome,) = outcomes(compare_compression_techniques, [(model,)])
    assert raised_value_error(outcome, "a weight that is NaN"), "a weight that is NaN must raise ValueError, yours was taken"
    assert is_as_before(model, before), "a weight that is NaN must leave the model as it was, yours changed it"
    ### END HIDDEN TESTS


with warnings.catch_warnings(action="ignore"):
    test_compression_integration_comprehensive_untouched()


# %% [markdown]
# ### Experiment: the comparison on the digits
#
# Your `compare_compression_techniques` on the trained network, without any retraining; means of eight splits. The file
# sizes of `tinytorch.storage` stand beside your `size_mb` for the two models that can be rebuilt in a line.

# %% nbgrader={"grade": false, "grade_id": "experiment-comparison", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["experiment"]
def experiment_comparison_on_the_digits():
    if not RUN_EXPERIMENTS:
        return
    splits = range(8)
    reports = [
        compare_compression_techniques(
            trained_network(split), digits_split(split).x_test, digits_split(split).y_test
        )
        for split in splits
    ]
    print(f"{'':22}{'parameters':>10}{'bytes':>9}{'ratio':>8}{'accuracy':>11}")
    for name in reports[0]:
        results = [report[name] for report in reports]
        parameters, size, ratio, score = (
            np.mean([result[key] for result in results])
            for key in ("parameters", "size_mb", "compression_ratio", "accuracy")
        )
        print(f"{name:22}{parameters:10,.0f}{size * 1024**2:9,.0f}{ratio:7.2f}x{100 * score:9.2f} %")

    pruned, _ = prune_model_by_magnitude(trained_network(), 0.5)
    for name, model in (("baseline", trained_network()), ("magnitude_pruning", pruned)):
        calculated = reports[0][name]["size_mb"] * 1024**2
        print(f"{name}: {calculated:,.0f} bytes by the formulas, {stored_size(model):,} in a file")


experiment_comparison_on_the_digits()


# %% [markdown]
# ### Experiment: every technique, with retraining, on disk
#
# The last comparison takes the measurements together. Each network is written to a file, read back, and tested as it
# was read. Accuracy is the mean of eight splits; the latency is that of a forward pass of one image and of a batch of 128.
#
# | name | how it is made from the dense 64-128-64-10 network |
# |---|---|
# | magnitude pruning | 90 % global sparsity, retrained on the labels |
# | quantization | 8 bits, one scale for each layer, no retraining |
# | distillation | a new network 64-32-16-10, trained with a teacher |
# | structured pruning | half of the hidden neurons, retrained on the labels |
# | pruning + quantization | 90 % sparsity in three rounds, then 4 bits, retrained with a teacher |
# | all combined | half of the hidden neurons, then 60 % sparsity, then 4 bits, retrained with a teacher after each |
#
# Three things are new.
#
# - The teacher is not one network but the mean of five, trained from different initial weights, as Hinton, Vinyals, Dean
#   (2015) did it.
# - It is also asked about more images: four copies of each training image, with noise added. Step 4 showed that a
#   teacher is of use where labels are few; on a noisy image it can say how doubtful the digit has become, while the label
#   stays that of the original.
# - The networks of 4 bits are trained *while* quantized: each step computes the gradient with the quantized weights and
#   applies it to exact ones kept aside, which are then quantized again. Steps smaller than the grid would otherwise be
#   rounded away.
#
# *Dense* is the mean of the five networks. Such training would help the dense network too, so its accuracy after it is
# printed as well.

# %% nbgrader={"grade": false, "grade_id": "experiment-every-technique", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["experiment"]
def experiment_every_technique_on_disk():
    if not RUN_EXPERIMENTS:
        return
    splits, members = range(8), range(5)

    @functools.cache
    def transfer_set(split):
        """Noisy copies of the training images, the mean logits of five networks, and the labels."""
        data = digits_split(split)
        noise = np.random.default_rng(split).standard_normal((4, *data.x_train.shape))
        images = np.concatenate([data.x_train, *(data.x_train + 0.2 * noise)]).astype(np.float32)
        teacher = np.mean([logits_of(trained_network(split, i), images) for i in members], axis=0)
        return images, teacher, np.tile(data.y_train, 5)

    def distill(model, split, epochs, after_step=None):
        loss = DistillationLoss(temperature=2.0, alpha=0.3)
        return train_on_digits(
            model, split, epochs, loss, transfer_set(split), after_step, batch_size=128
        )

    def quantize(model, bits):
        return {i: quantize_layer_weights(layer, bits)[1] for i, layer in dense_by_index(model).items()}

    def distill_quantized(model, split, bits, epochs):
        layers = dense_by_index(model)
        exact = {i: layer.weights.data.copy() for i, layer in layers.items()}
        kept = {i: weights != 0 for i, weights in exact.items()}
        infos = quantize(model, bits)
        rounded = {i: layer.weights.data.copy() for i, layer in layers.items()}

        def after_step():
            for i, layer in layers.items():
                exact[i] = (exact[i] + layer.weights.data - rounded[i]) * kept[i]
                layer.weights = exact[i]
                infos[i] = quantize_layer_weights(layer, bits)[1]
                rounded[i] = layer.weights.data.copy()

        distill(model, split, epochs, after_step)
        return infos

    def dense(split):
        return trained_network(split), None

    def magnitude_pruning(split):
        model, _ = prune_model_by_magnitude(trained_network(split), 0.9)
        return train_on_digits(model, split, 20, after_step=hold_zeros(model)), None

    def quantization(split):
        model = trained_network(split)
        return model, quantize(model, 8)

    def distillation(split):
        return distill(create_mlp(64, [32, 16], 10, rng=split), split, 16), None

    def structured_pruning(split):
        model, _ = prune_model_neurons(trained_network(split), 0.5)
        return train_on_digits(model, split, 20), None

    def pruning_and_quantization(split):
        model = trained_network(split)
        for sparsity in (0.6, 0.8, 0.9):
            prune_model_by_magnitude(model, sparsity)
            distill(model, split, 2, hold_zeros(model))
        return model, distill_quantized(model, split, 4, 10)

    def all_combined(split):
        model, _ = prune_model_neurons(trained_network(split), 0.5)
        distill(model, split, 16)
        prune_model_by_magnitude(model, 0.6)
        distill(model, split, 8, hold_zeros(model))
        return model, distill_quantized(model, split, 4, 16)

    techniques = {
        "dense": dense,
        "magnitude pruning": magnitude_pruning,
        "quantization": quantization,
        "distillation": distillation,
        "structured pruning": structured_pruning,
        "pruning + quantization": pruning_and_quantization,
        "all combined": all_combined,
    }
    dense_error = np.array(
        [np.mean([100 - accuracy_on_digits(trained_network(s, i), s) for i in members]) for s in splits]
    )
    error, size, activations, unpacked, final = {}, {}, {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "network.ttm")
        for name, make in techniques.items():
            sizes, errors = [], []
            for split in splits:
                model, infos = make(split)
                sizes.append(save_model(path, model, infos))
                model = load_model(path)
                errors.append(100 - accuracy_on_digits(model, split))
            error[name] = dense_error if make is dense else np.array(errors)
            size[name] = np.mean(sizes)
            final[name] = model
            layers = dense_by_index(model).values()
            activations[name] = max(4 * (layer.input_size + layer.output_size) for layer in layers)
            unpacked[name] = 4 * sum(p.size for p in model.parameters()) + activations[name]

    # In turns, so that a busy moment of the machine falls on all of them.
    images = digits_split().x_test
    rounds = {(name, n): [] for name in final for n in (1, 128)}
    for _ in range(8):
        for name, n in rounds:
            rounds[name, n] += times_in_microseconds(final[name], images[:n], 40)
    times = {name: [np.median(rounds[name, n]) for n in (1, 128)] for name in final}

    print(f"{'':56}forward pass of     bytes of RAM, weights")
    print(f"{'':27}accuracy (%)   bytes   ratio    1 image  128 images  in flash  unpacked")
    for name in techniques:
        spread = np.std(error[name], ddof=1) / math.sqrt(len(splits))
        print(
            f"{name:23}{100 - error[name].mean():7.2f} +- {spread:.2f}{size[name]:9,.0f}"
            f"{size['dense'] / size[name]:7.1f}x{times[name][0]:9.0f} us{times[name][1]:9.0f} us"
            f"{activations[name]:9d}{unpacked[name]:10,d}"
        )
    MEASURED.update(error=error, size=size, times=times)
    helped = [accuracy_on_digits(distill(trained_network(s), s, 16), s) for s in splits]
    print(f"The dense network, trained with the teacher like 'all combined': {np.mean(helped):.2f} %")
    for board, (flash, ram) in BOARDS.items():
        stored = [name for name in techniques if size[name] <= flash and activations[name] <= ram]
        loaded = [name for name in stored if unpacked[name] <= ram]
        print(f"{board}, {flash // 1024} KB of flash and {ram // 1024} KB of RAM:")
        for what, fits in (("weights in flash", stored), ("unpacked in RAM", loaded)):
            everything = len(fits) == len(techniques)
            print(f"    {what}: {'all' if everything else ', '.join(fits) or 'none'}")


experiment_every_technique_on_disk()


# %% [markdown]
# The same as a picture:

# %% nbgrader={"grade": false, "grade_id": "experiment-final-picture", "locked": true, "schema_version": 3, "solution": false, "task": false} tags=["experiment"]
def experiment_final_picture():
    if not RUN_EXPERIMENTS:
        return
    error, size, times = MEASURED["error"], MEASURED["size"], MEASURED["times"]
    names, dense = list(error), error["dense"]
    rows = np.arange(len(names))
    more = {name: values - dense for name, values in error.items()}
    bars = {name: np.std(values, ddof=1) / math.sqrt(len(dense)) for name, values in more.items()}

    figure, (left, middle, right) = new_picture(3, height=4.2, width=4.2)
    for row, name in enumerate(names):
        style = STYLES[1 if name in ("pruning + quantization", "all combined") else 0]
        style = style | {"linestyle": "none", "markersize": 8}
        mean, kb = error[name].mean(), size[name] / 1024
        left.errorbar(mean, row, xerr=bars[name], capsize=4, **style)
        middle.plot(kb, row, **style)
        for ax, value, text in ((left, mean, f"{mean:.2f}"), (middle, kb, f"{kb:.1f}")):
            box = {"color": "white", "pad": 0.5}
            ax.text(value, row - 0.24, text, ha="center", va="bottom", fontsize=9, bbox=box)
    left.axvline(dense.mean(), color="0.4", linestyle="--")
    left.set(xlabel="test error (%)", xlim=(0, None))
    left.set_yticks(rows, names)

    middle.set(xscale="log", xlabel="file (KB)", xlim=(1, 2500))
    middle.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    edges = {2: "ATmega328P RAM", 32: "ATmega328P flash, IoT RAM", 256: "IoT flash, BLE RAM", 1024: "BLE flash"}
    for place, label in edges.items():
        middle.axvline(place, color="0.3", linewidth=1)
        middle.text(place, -0.75, label, rotation=28, fontsize=8)

    for column, (label, hatch) in enumerate({"1 image": "", "128 images": "///"}.items()):
        values = [times[name][column] for name in names]
        places = rows + 0.2 * (2 * column - 1)
        color = STYLES[2 * column]["color"]
        right.barh(places, values, 0.38, color=color, edgecolor="white", hatch=hatch, label=label)
        for place, value in zip(places, values):
            right.text(value, place, f" {value:.0f}", va="center", fontsize=8)
    right.set(xlabel="forward pass, median (µs)")
    right.margins(x=0.12)
    right.legend(fontsize=8, loc="center right")
    for ax in (left, middle, right):
        ax.set_ylim(len(names) - 0.4, -0.6)
    for ax in (middle, right):
        ax.set_yticks(rows, [])

    best = min((name for name in names if more[name].mean() <= 0), key=size.get)
    fastest = min(names, key=lambda name: times[name][1])
    show_picture(
        figure,
        f"Left: test error, mean of {len(dense)} splits, with the standard error of the difference from the dense network "
        f"({dense.mean():.2f} %, dashed line). The smallest file without more error is that of '{best}': "
        f"{size['dense'] / size[best]:.1f} times smaller than the dense one, error {more[best].mean():+.2f} +- "
        f"{bars[best]:.2f} points. Middle: size of the file beside the flash and RAM of three boards: ATmega328P, Arduino "
        "Nano 33 IoT and Arduino Nano 33 BLE. Right: time of a forward pass; the fastest for 128 images is "
        f"'{fastest}'.",
    )


experiment_final_picture()

# %% [markdown]
# What the table says, technique by technique, in the order of the columns: accuracy comes back by retraining, file size
# falls with the bits and the zeros, and time falls only where arrays become smaller. The techniques multiply, because
# each takes away something else: neurons, weights, bits.
#
# On a board, the weights can stay in flash and be unpacked one by one; RAM then holds only the inputs and outputs of one
# layer, and the program needs room as well. The column *unpacked* is what a library like this one needs, which computes
# with whole float32 arrays. Compare the two with the RAM of the boards.
#
# How sure is this? A difference of one or two standard errors may be chance, one of five is none. How many bits, weights
# and neurons to take away, and how to retrain, was chosen beforehand on other splits than these eight. Deep Compression
# reports 40 times for LeNet-300-100, with Huffman coding, from a larger network, which has more to lose.

# %% [markdown] nbgrader={"grade": false, "grade_id": "question-choosing-for-a-device", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": true}
# ### Written question 2: choosing for a device (5 points)
#
# A wristband with an Arduino Nano 33 IoT (256 KB of flash, 32 KB of RAM) is to recognise digits 50 times a second from
# one image at a time and to run long on its battery. The team has to choose how to compress the network 64-128-64-10,
# and may lose 0.5 percentage points of accuracy. Answer in the cell below, in about ten sentences, with numbers that your
# cells printed.
#
# 1. Which technique or combination do you choose? Hold its accuracy, its bytes and its RAM against what is asked for.
# 2. Name one technique that you leave out or that would not help alone here, and say, by a measurement, why.
# 3. Which of your measurements cannot be carried over to the board as they are, and what would you measure there?
#
# === BEGIN MARK SCHEME ===
# | points | for |
# |---|---|
# | 2 | Part 1: a choice that meets the limits: accuracy compared with the dense one and with the 0.5 points (1 point, with both numbers), file against flash and RAM against 32 KB (1 point; weights in flash with RAM for activations, or unpacked with a network that fits). Several choices are right, among them "all combined" and structured pruning alone. The float32 network unpacked does not fit into 32 KB: choosing it without noticing costs the second point. |
# | 1 | Part 2: a technique with a measured reason. For instance: magnitude pruning or 8 bits alone leave the time as it is; distillation with all labels gains nothing over training alone; 90 % sparsity without retraining ruins the accuracy. |
# | 1 | Part 3: latency. Times were measured on another processor, in NumPy, where calling the layers takes part of the time for one image; on the board the operations have to be timed anew. Energy was not measured at all: bytes read and operations are only an indication. |
# | 1 | Part 3: the uncertainty. One image is 0.28 points and the standard errors are of the size of the differences between the best networks; or: the images of the wristband's own sensor differ from the test images, so accuracy has to be measured on those. |
# === END MARK SCHEME ===

# %% [markdown]
# **Your answer to question 2** (double-click here and write):

# %% [markdown]
# ## What comes next
#
# What you wrote works on any `Sequential` of `Dense` layers. `python -m tinytorch.export compression_dev.ipynb` makes it
# the module `tinytorch.core.compression`. Module 11 (Kernels) uses what the hardware offers, so that few bits and zeros
# also save time; module 12 (Benchmarking) measures more thoroughly than by a median of repeats; module 13 (MLOps) puts a
# compressed network into service.
