"""The given helper `outcomes`: many calls in one request must mean what they mean one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import pytest
from wall_course import ANSWERS, CHECKS, GIVEN, TOOLS, cell_of, check_source, master, notebook

from grader.course.assignment import Assignment, read_assignment
from grader.submissions.submission import read_submission
from grader.wall.examine import Verdict, Wall
from grader.wall.sandbox import Limits

LIMITS = Limits(cell_seconds=2, check_seconds=1, grace_seconds=0.3, memory_mb=300)
OUTCOMES = """

def outcomes(function, cases, **options):
    functions = function if isinstance(function, list) else [function] * len(cases)
    results = []
    for each, case in zip(functions, cases, strict=True):
        try:
            results.append(each(*case, **options))
        except Exception as error:
            results.append(error)
    return results
"""
ALIKE = {
    "results in order": """
    got = outcomes(Scale(3.0), [(np.full(n, 2.0),) for n in (1, 2, 3)])
    assert [list(array) for array in got] == [[6.0] * n for n in (1, 2, 3)]""",
    "exceptions where they were raised": """
    layers = [Dense(2, 2, rng=i) for i in range(3)]
    got = outcomes(prune, [(layers[0], 0.5), (layers[1], 7), (layers[2], 1.0)])
    assert [type(one) for one in got] == [tuple, ValueError, tuple], got
    assert str(got[1]) == "ratio must be in [0, 1]"
    assert got[2][0] is layers[2] and not layers[2].weights.data.any()""",
    "options for all": """
    layers = [Dense(4, 1, rng=i) for i in range(2)]
    outcomes(prune, [(layer,) for layer in layers], ratio=0.75)
    assert [np.count_nonzero(layer.weights.data) for layer in layers] == [1, 1]""",
    "a layer that is in several cases": """
    layer = Dense(2, 4, rng=0)
    got = outcomes(prune, [(layer, 0.25), (layer, 0.5), (layer, 0.0)])
    assert all(same is layer for same, _ in got)
    assert [info["sparsity"] for _, info in got] == [0.25, 0.5, 0.5]""",
    "a class": """
    first, second = outcomes(Scale, [(2.0,), (5.0,)])
    assert isinstance(first, Scale) and (first.factor, second.factor) == (2.0, 5.0)
    assert first is not second""",
    "a method": """
    got = outcomes(Scale(4.0).gradient, [(np.ones(n),) for n in (1, 2)])
    assert [array.tolist() for array in got] == [[4.0], [4.0, 4.0]]""",
    "a function for each case": """
    scales = outcomes(Scale, [(2.0,), (5.0,)])
    assert [array.tolist() for array in outcomes(scales, [(np.ones(1),), (np.ones(2),)])] == [
        [2.0], [5.0, 5.0]]
    gradients = [scale.gradient for scale in [*scales, scales[0]]]
    assert outcomes(gradients, [(np.ones(1),)] * 3) == [[2.0], [5.0], [2.0]]""",
    "functions of different names": """
    layer, twin = Dense(4, 1, rng=0), Dense(4, 1, rng=0)
    (pruned, _), before = outcomes([prune, sparsity], [(layer, 0.5), (twin,)])
    assert pruned is layer and before == 0.0
    assert outcomes([round, sparsity], [(1.6,), (layer,)]) == [2, 0.5]""",
    "fewer functions than cases": """
    outcomes([prune], [(Dense(2, 2, rng=0), 0.5)] * 2)""",
    "a function of the course's own": """
    assert outcomes(round, [(1.4,), (2.6,)]) == [1, 3]
    assert type(outcomes(int, [("x",)])[0]) is ValueError""",
    "no case": """
    assert outcomes(prune, []) == []""",
    "a message about the first wrong one": """
    for n, got in zip((1, 2, 3), outcomes(sparsity, [(Dense(n, 2, rng=0),) for n in (1, 2, 3)])):
        assert got == 1.0, f"of {n} inputs: {got}\"""",
    "another exception goes on upwards": """
    [got] = outcomes(prune, [(Dense(2, 2, rng=0), "much")])
    raise got""",
}


def with_checks(bodies: dict[str, str]) -> Assignment:
    node = master()
    others = [cell_of(node, name) for name in CHECKS if name not in bodies]
    node.cells = [cell for cell in node.cells if cell not in others]
    cell_of(node, "tools-checks").source = TOOLS + OUTCOMES
    for name, body in bodies.items():
        cell_of(node, name).source = check_source(name, body.strip())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "source" / "small" / "small.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(node, path)
        return read_assignment(path, "small")


@pytest.fixture(scope="module")
def walls() -> Iterator[list[Wall]]:
    """The wall that is in use: one at a time, each for its own assignment."""
    used: list[Wall] = []
    yield used
    for wall in used:
        wall.close()


def verdicts(
    walls: list[Wall], bodies: dict[str, str], answers: dict[str, str] | None = None
) -> tuple[Verdict, ...]:
    """What the graded cells with these bodies say of the answers, through the wall."""
    for wall in walls:
        wall.close()
    walls[:] = [Wall(with_checks(bodies), LIMITS, hidden=(Path(__file__).parents[2],))]
    with TemporaryDirectory() as folder:
        (Path(folder) / "small.ipynb").write_text(json.dumps(notebook(answers)))
        submission = read_submission(Path(folder), walls[0].assignment)
    return walls[0].examine(submission).verdicts


def verdict(walls: list[Wall], body: str, answers: dict[str, str] | None = None) -> Verdict:
    """The same of one graded cell."""
    [found] = verdicts(walls, {"test_scale": body}, answers)
    return found


def said_in_the_notebook(body: str) -> str:
    """The message of the graded cell where everything simply runs, empty where it passes."""
    names: dict[str, Any] = {}
    for source in (GIVEN, TOOLS + OUTCOMES, *ANSWERS.values()):
        exec(source, names)  # noqa: S102 - the test's own cells
    try:
        exec(check_source("test_scale", body.strip()), names)  # noqa: S102
    except Exception as error:  # noqa: BLE001 - any of them is what the student sees
        return str(error)
    return ""


@pytest.mark.parametrize("body", ALIKE.values(), ids=list(ALIKE))
def test_it_means_the_same_on_both_sides(walls: list[Wall], body: str) -> None:
    expected = said_in_the_notebook(body)
    message = verdict(walls, body).message
    assert expected in message
    assert bool(expected) == bool(message), message


def test_an_endless_property_is_not_read_a_third_time(walls: list[Wall]) -> None:
    endless = """class Scale:
    @property
    def factor(self):
        while True:
            pass"""
    reads = dict.fromkeys(["test_sparsity", "test_prune", "test_scale"], "Scale().factor")
    told = [
        v.message for v in verdicts(walls, reads, {**ANSWERS, "sparsity": endless, "Scale": ""})
    ]
    late = "Scale.factor: it did not finish within 1 s"
    again = "Scale.factor was not called again after it failed to return twice"
    assert told == [late, late, again]


def test_an_endless_loop_in_one_case_costs_the_check(walls: list[Wall]) -> None:
    loop = "def sparsity(layer):\n    while layer.input_size == 2: pass\n    return 0.0"
    body = "outcomes(sparsity, [(Dense(n, 2, rng=0),) for n in (1, 2, 3)])"
    message = verdict(walls, body, ANSWERS | {"sparsity": loop}).message
    assert message == "sparsity: it did not finish within 1 s"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise SystemExit(3)", "sparsity: raised SystemExit: 3"),
        ("import os; os._exit(5)", "sparsity: it ended Python (exit code 5)"),
        ("return open", "only numbers, text, lists"),
    ],
)
def test_what_no_notebook_survives_costs_the_check(
    walls: list[Wall], code: str, message: str
) -> None:
    body = "got = outcomes(sparsity, [(Dense(1, 1, rng=0),)] * 2)\n    assert got == [1.0, 1.0]"
    answers = ANSWERS | {"sparsity": f"def sparsity(layer):\n    {code}"}
    assert message in verdict(walls, body, answers).message


def test_a_missing_function_is_named(walls: list[Wall]) -> None:
    body = "outcomes(sparsity, [(Dense(1, 1, rng=0),)])"
    assert verdict(walls, body, ANSWERS | {"sparsity": "pass"}).message == "sparsity is missing"


def test_a_check_may_note_in_which_case_it_was(walls: list[Wall]) -> None:
    body = """
    [got] = outcomes(prune, [(Dense(2, 2, rng=0), "much")])
    got.add_note("in this case: ratio='much'")
    raise got"""
    message = verdict(walls, body).message
    assert message.startswith("prune raised TypeError: ")
    assert message.endswith("; in this case: ratio='much'")


def test_after_two_timeouts_a_function_is_not_called_a_third_time(walls: list[Wall]) -> None:
    loop = "def sparsity(layer):\n    while True: pass"
    bodies = dict.fromkeys(
        ("test_sparsity", "test_prune", "test_scale"), "sparsity(Dense(1, 1, rng=0))"
    )
    said = [v.message for v in verdicts(walls, bodies, ANSWERS | {"sparsity": loop})]
    assert said[:2] == ["sparsity: it did not finish within 1 s"] * 2
    assert said[2] == "sparsity was not called again after it failed to return twice"
