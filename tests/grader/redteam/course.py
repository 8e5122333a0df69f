"""A small course to attack: functions, a class, visible and hidden checks, each worth other points.

Hidden checks and solutions hold words that are nowhere else; where one of them turns up in what a
submission wrote, said or was told, it was read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.apps import NbGraderAPI
from traitlets.config.loader import PyFileConfigLoader

ASSIGNMENT, NOTEBOOK = "hw", "work"
SEED = 7_341_902_556_117
SECRETS = ("quokkahidden", "wombatsolution", str(SEED))

SCALE = '''def scale(values, factor=2.0):
    """The values times the factor, as a new array."""
    ### BEGIN SOLUTION
    wombatsolution_scaled = np.asarray(values) * factor
    return wombatsolution_scaled
    ### END SOLUTION'''
PRUNE = '''def prune(layer, ratio=0.5):
    """Set round(ratio * n) of the weights to 0, the smallest, in place: the layer and a report."""
    ### BEGIN SOLUTION
    if not 0 <= ratio <= 1:
        raise ValueError("the ratio must be in [0, 1]")
    wombatsolution_flat = layer.weights.data.ravel()
    count = round(ratio * wombatsolution_flat.size)
    wombatsolution_flat[np.argsort(np.abs(wombatsolution_flat))[:count]] = 0
    layer.weights.data[...] = wombatsolution_flat.reshape(layer.weights.shape)
    return layer, {"removed": count, "sparsity": float(np.mean(wombatsolution_flat == 0))}
    ### END SOLUTION'''
LOSS = '''class Loss:
    """The mean squared difference, times a weight."""

    def __init__(self, weight=1.0):
        ### BEGIN SOLUTION
        self.weight = weight
        ### END SOLUTION

    def __call__(self, predicted, expected):
        ### BEGIN SOLUTION
        wombatsolution_difference = np.asarray(predicted) - np.asarray(expected)
        return float(self.weight * np.mean(wombatsolution_difference**2))
        ### END SOLUTION'''
IMPORTS = """import os

import matplotlib.pyplot as plt
import numpy as np

from tinytorch.core.layers import Dense"""
TOOLS = '''CHECK_SEED = int(os.environ.get("TINYTORCH_CHECK_SEED", "0"))


def check_rng(key):
    """A random generator of its own for each check."""
    return np.random.default_rng([CHECK_SEED, key])'''

CHECKS = {
    "test_scale": """def test_scale():
    got = scale(np.array([1.0, 2.0]), 3.0)
    assert isinstance(got, np.ndarray), f"an array must come back, got {type(got).__name__}"
    assert got.tolist() == [3.0, 6.0], f"scale([1, 2], 3) must be [3, 6], got {got}"

test_scale()""",
    "test_scale-random": """def test_scale_random():
    ### BEGIN HIDDEN TESTS
    quokkahidden_values = check_rng(1).normal(size=5)  # quokkahidden: drawn for each student
    got = scale(quokkahidden_values, 0.5)
    assert np.shape(got) == (5,), f"five values expected, got the shape {np.shape(got)}"
    assert np.array_equal(got, quokkahidden_values * 0.5), "each value must be halved"
    ### END HIDDEN TESTS

test_scale_random()""",
    "test_prune": """def test_prune():
    layer = Dense(6, 4, rng=0)
    before = np.sort(np.abs(layer.weights.data).ravel())
    same, report = prune(layer, 0.5)
    assert same is layer, "the same layer must come back"
    zeros = int((layer.weights.data == 0).sum())
    assert zeros == 12, f"12 weights must be 0, yours are {zeros}"
    kept = np.sort(np.abs(layer.weights.data).ravel())[12:]
    assert np.array_equal(kept, before[12:]), "the 12 largest must be left as they were"
    assert report["removed"] == 12, f"'removed' must be 12, yours is {report['removed']}"

test_prune()""",
    "test_prune-random": """def test_prune_random():
    ### BEGIN HIDDEN TESTS
    quokkahidden_layer = Dense(5, 3, rng=check_rng(2))
    prune(quokkahidden_layer, 0.2)
    zeros = int((quokkahidden_layer.weights.data == 0).sum())
    assert zeros == 3, f"3 weights must be 0, yours are {zeros}"
    before = quokkahidden_layer.weights.data.copy()
    try:
        prune(quokkahidden_layer, 1.5)
    except ValueError:
        pass
    else:
        raise AssertionError("a ratio of 1.5 must raise ValueError")
    assert np.array_equal(before, quokkahidden_layer.weights.data), "nothing may be changed"
    ### END HIDDEN TESTS

test_prune_random()""",
    "test_loss": """def test_loss():
    loss = Loss(weight=2.0)
    assert isinstance(loss, Loss)
    got = loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    assert got == 4.0, f"the loss must be 4.0, yours is {got}"
    assert loss.weight == 2.0, f"weight must be 2.0, yours is {loss.weight}"

test_loss()""",
    "test_loss-random": """def test_loss_random():
    ### BEGIN HIDDEN TESTS
    rng = check_rng(3)
    quokkahidden_a, quokkahidden_b = rng.normal(size=7), rng.normal(size=7)
    got = Loss(0.5)(quokkahidden_a, quokkahidden_b)
    expected = 0.5 * np.mean((quokkahidden_a - quokkahidden_b) ** 2)
    assert abs(got - expected) <= 1e-9, "the loss is not right"
    ### END HIDDEN TESTS

test_loss_random()""",
}
POINTS = {name: float(2**i) for i, name in enumerate(CHECKS)}
FULL = sum(POINTS.values())


def metadata(grade_id: str, **kind: Any) -> dict[str, Any]:
    """nbgrader's metadata of a cell."""
    plain = {"grade": False, "locked": False, "solution": False, "task": False}
    return {"nbgrader": {**plain, "grade_id": grade_id, "schema_version": 3, **kind}}


def master() -> nbformat.NotebookNode:
    """The source notebook."""

    def given(name: str, source: str) -> nbformat.NotebookNode:
        return new_code_cell(source, metadata=metadata(name, locked=True))

    def check(name: str) -> nbformat.NotebookNode:
        kind = metadata(name, grade=True, locked=True, points=POINTS[name])
        return new_code_cell(CHECKS[name], metadata=kind)

    cells = [new_markdown_cell("# Work"), given("imports", IMPORTS), given("tools-checks", TOOLS)]
    for name, source in {"scale": SCALE, "prune": PRUNE, "Loss": LOSS}.items():
        cells.append(new_code_cell(source, metadata=metadata(name, solution=True)))
        cells += [check(f"test_{name.lower()}"), check(f"test_{name.lower()}-random")]
    experiment = given("experiment-picture", "plt.plot([1, 2])\nplt.show()")
    experiment.metadata.tags = ["experiment"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=[*cells, experiment], metadata={"kernelspec": kernel})


def answered(release: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The release with right answers, in words of the student's own."""
    notebook = copied(release)
    for name, source in {"scale": SCALE, "prune": PRUNE, "Loss": LOSS}.items():
        lines = [line for line in source.splitlines() if "###" not in line]
        cell(notebook, name).source = "\n".join(lines).replace("wombatsolution_", "my_")
    return notebook


def cell(notebook: nbformat.NotebookNode, grade_id: str) -> nbformat.NotebookNode:
    """The cell of that id."""
    found = (
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    )
    return next(found)


def copied(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy that shares nothing with the notebook."""
    return nbformat.reads(nbformat.writes(notebook), as_version=4)


CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "redteam"
c.ClearSolutions.code_stub = {
    "python": 'raise NotImplementedError("this is where your own code goes")'
}
c.Execute.timeout = 20
"""


def create(root: Path) -> nbformat.NotebookNode:
    """Write the course into a folder, with a gradebook; its release."""
    source = root / "source" / ASSIGNMENT
    source.mkdir(parents=True)
    nbformat.write(master(), source / f"{NOTEBOOK}.ipynb")
    (root / "nbgrader_config.py").write_text(CONFIG)
    config = PyFileConfigLoader("nbgrader_config.py", str(root)).load_config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = f"sqlite:///{root}/gradebook.db"
    result = NbGraderAPI(config=config).generate_assignment(ASSIGNMENT)
    assert result["success"], result
    return nbformat.read(root / "release" / ASSIGNMENT / f"{NOTEBOOK}.ipynb", as_version=4)
