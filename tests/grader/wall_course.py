"""A small assignment with everything that meets the wall: functions, a class, hidden checks, an
experiment, a written question; and submissions of it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grader.course.assignment import Assignment, read_assignment
from grader.submissions.submission import Submission, read_submission

TOKEN = "hidden_token_7319"
HIDDEN = f"### BEGIN HIDDEN TESTS\n    {{}}  # {TOKEN}\n    ### END HIDDEN TESTS"
STUB = 'raise NotImplementedError("this is where your own code goes")'

GIVEN = """
import os
import warnings

import numpy as np

from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Dense
from tinytorch.core.networks import Sequential, create_mlp
from tinytorch.core.tensor import Tensor
"""
TOOLS = """
CHECK_SEED = int(os.environ.get("TINYTORCH_CHECK_SEED", "0"))


def check_rng(key):
    return np.random.default_rng([CHECK_SEED, key])
"""
SPARSITY = "return float(np.mean(layer.weights.data == 0))"
PRUNE = """if not 0 <= ratio <= 1:
        raise ValueError("ratio must be in [0, 1]")
    flat = layer.weights.data.ravel()
    flat[np.argsort(np.abs(flat))[: round(ratio * flat.size)]] = 0
    return layer, {"sparsity": float(np.mean(flat == 0)), "shape": layer.weights.shape}"""
ANSWERS = {
    "sparsity": f"def sparsity(layer):\n    {SPARSITY}",
    "prune": f"def prune(layer, ratio=0.5):\n    {PRUNE}",
    "Scale": """class Scale:
    def __init__(self, factor=2.0):
        self.factor = factor

    def __call__(self, x):
        return x * self.factor

    def gradient(self, x):
        return np.full_like(x, self.factor)""",
}
STUBS = {
    "sparsity": f"def sparsity(layer):\n    # YOUR CODE HERE\n    {STUB}",
    "prune": f"def prune(layer, ratio=0.5):\n    # YOUR CODE HERE\n    {STUB}",
    "Scale": f"class Scale:\n    def __init__(self, factor=2.0):\n        {STUB}\n\n"
    f"    def __call__(self, x):\n        {STUB}\n\n    def gradient(self, x):\n        {STUB}",
}
CHECKS = {
    "test_sparsity": (
        2,
        "layer = Dense(2, 2, rng=0)\n    layer.weights = np.eye(2)\n    got = sparsity(layer)\n"
        '    assert got == 0.5, f"half of the weights are 0; your function says {got}"',
    ),
    "test_sparsity-random": (
        3,
        HIDDEN.format(
            "layer = Dense(5, 4, rng=check_rng(3)); layer.weights.data[check_rng(4)"
            ".random((5, 4)) < 0.4] = 0; want = np.mean(layer.weights.data == 0); "
            'got = sparsity(layer); assert abs(got - want) < 1e-9, f"expected {want}, got {got}"'
        ),
    ),
    "test_prune": (
        4,
        "layer = Dense(6, 4, rng=0)\n    same, info = prune(layer, 0.5)\n"
        '    assert same is layer, "the same layer must come back"\n'
        "    zeros = int((layer.weights.data == 0).sum())\n"
        '    assert zeros == 12, f"12 weights must be 0, {zeros} are"\n'
        "    assert isinstance(info, dict) and info['shape'] == (6, 4)",
    ),
    "test_prune-refuses": (
        1,
        HIDDEN.format(
            "layer = Dense(3, 3, rng=0); before = layer.weights.data.copy()\n"
            "    try:\n        prune(layer, 2.0)\n    except ValueError:\n        pass\n"
            '    else:\n        raise AssertionError("a ratio of 2 must raise ValueError")\n'
            "    assert np.array_equal(before, layer.weights.data)"
        ),
    ),
    "test_scale": (
        5,
        "scale = Scale(factor=3.0)\n    x = np.ones((2, 2))\n    assert isinstance(scale, Scale)\n"
        "    assert np.array_equal(scale(x), 3 * x)\n    assert scale.factor == 3.0\n"
        "    assert np.array_equal(scale.gradient(x), 3 * x)",
    ),
}
TOTAL = sum(points for points, _ in CHECKS.values())
EXPERIMENT = (
    "def experiment_draw():\n    raise SystemExit('never run when grading')\n\nexperiment_draw()"
)
QUESTION = "Why?\n=== BEGIN MARK SCHEME ===\nbecause\n=== END MARK SCHEME ==="


def metadata(grade_id: str, **fields: Any) -> dict[str, Any]:
    flags = {"grade": False, "locked": False, "solution": False, "task": False}
    tags = {"tags": ["experiment"]} if grade_id.startswith("experiment") else {}
    return {"nbgrader": {**flags, "grade_id": grade_id, "schema_version": 3, **fields}, **tags}


def check_source(grade_id: str, body: str) -> str:
    name = grade_id.replace("-", "_")
    call = f'with warnings.catch_warnings(action="ignore"):\n    {name}()'
    return f'def {name}():\n    """One property."""\n    {body}\n\n\n{call}'


def master() -> nbformat.NotebookNode:
    def answer(name: str) -> nbformat.NotebookNode:
        head, body = ANSWERS[name].split("\n", 1)
        if name == "Scale":
            parts = [part.split("\n", 1) for part in body.split("\n\n")]
            methods = [
                f"{first}\n        ### BEGIN SOLUTION\n{rest}\n        ### END SOLUTION"
                for first, rest in parts
            ]
            source = "\n\n".join([f"{head}\n{methods[0]}", *methods[1:]])
        else:
            source = f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION"
        return new_code_cell(source, metadata=metadata(name, solution=True))

    def check(name: str) -> nbformat.NotebookNode:
        points, body = CHECKS[name]
        given = metadata(name, grade=True, locked=True, points=points)
        return new_code_cell(check_source(name, body), metadata=given)

    cells = [
        new_markdown_cell("# A small assignment\n\nwith <b>its own</b> HTML"),
        new_code_cell(GIVEN, metadata=metadata("imports", locked=True)),
        new_code_cell(TOOLS, metadata=metadata("tools-checks", locked=True)),
        answer("sparsity"),
        check("test_sparsity"),
        check("test_sparsity-random"),
        answer("prune"),
        check("test_prune"),
        check("test_prune-refuses"),
        new_code_cell(EXPERIMENT, metadata=metadata("experiment-draw", locked=True)),
        answer("Scale"),
        check("test_scale"),
        new_markdown_cell(QUESTION, metadata=metadata("why", locked=True, task=True, points=5)),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def write_source(course: Path) -> Path:
    """The source notebook in a course's folder."""
    path = course / "source" / "small" / "small.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(master(), path)
    return path


@cache
def assignment() -> Assignment:
    with TemporaryDirectory() as folder:
        return read_assignment(write_source(Path(folder)), "small")


def notebook(answers: dict[str, str] | None = None, *added: str) -> nbformat.NotebookNode:
    """A submission: the release with these answers; further cells come before the first check."""
    node = master()
    texts = STUBS | (ANSWERS if answers is None else answers)
    for cell in node.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in texts:
            cell.source = texts[grade_id]
        elif grade_id in {*CHECKS, "why"}:
            cell.source = assignment().by_id[grade_id].visible
    node.cells[4:4] = [new_code_cell(source) for source in added]
    return node


def cell_of(node: nbformat.NotebookNode, grade_id: str) -> nbformat.NotebookNode:
    return next(c for c in node.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def submission(node: nbformat.NotebookNode | dict[str, Any]) -> Submission:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "small.ipynb"
        path.write_text(json.dumps(node))
        return read_submission(Path(folder), assignment())


def answers(**changed: str) -> dict[str, str]:
    return ANSWERS | changed
