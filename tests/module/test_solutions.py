"""The checks of the notebook, checked: right solutions get every point, wrong ones lose theirs.

`wheats/` holds right solutions in different styles, `chaffs/` solutions with one mistake each.
"""

from __future__ import annotations

import ast
import random
import sys
import traceback
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from conftest import Notebook, Verdict

HERE = Path(__file__).parent
WHEATS = sorted(HERE.glob("wheats/*.py"))
CHAFFS = sorted(HERE.glob("chaffs/*.py"))
SEEDS = [0, *(random.Random(10).getrandbits(63) for _ in range(100))]

# A mistake may cost points in its own group, and in a group that needs what it gives. Comparing the
# techniques runs them and counts parameters; the first five groups stand on their own.
NEEDED_BY = {
    "test_compression_metrics_comprehensive": "test_compression_integration_comprehensive",
    "test_magnitude_pruning_comprehensive": "test_compression_integration_comprehensive",
    "test_quantization_comprehensive": "test_compression_integration_comprehensive",
    "test_structured_pruning_comprehensive": "test_compression_integration_comprehensive",
}


def stem(path: Path) -> str:
    return path.stem


def compiled(path: Path) -> CodeType:
    return compile(path.read_text(encoding="utf-8"), path.name, "exec", dont_inherit=True)


def must_lose(path: Path) -> tuple[str, set[str]]:
    """The group whose points a chaff must lose, and its cells that must see the mistake.

    Its module constant GROUP is that group; or cells of it, one or several, where others would
    see the mistake as well.
    """
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "GROUP":
            value = ast.literal_eval(node.value)
            names = [value] if isinstance(value, str) else value
            (group,) = {name.partition("-")[0] for name in names}
            return group, {name for name in names if "-" in name}
    raise LookupError(f"{path.name} does not say its GROUP")


def errors(verdicts: dict[str, Verdict]) -> dict[str, Exception]:
    return {name: verdict.error for name, verdict in verdicts.items() if verdict.error}


def points(verdicts: dict[str, Verdict]) -> float:
    return sum(verdict.points for verdict in verdicts.values())


def raised_by(error: Exception, solution: Path) -> str:
    """The file or cell whose own line raised, or called the library that raised."""
    names = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return next(name for name in reversed(names) if name == solution.name or name.startswith("<"))


@pytest.mark.parametrize("seed", SEEDS)
def test_reference_gets_every_point(
    notebook: Notebook, reference: list[CodeType], seed: int
) -> None:
    verdicts = notebook.grade(*reference, seed=seed)
    assert errors(verdicts) == {}
    assert points(verdicts) == 90


def test_checks_leave_the_global_random_state_alone(
    notebook: Notebook, reference: list[CodeType]
) -> None:
    before = np.random.get_state(legacy=False)
    notebook.grade(*reference)
    after = np.random.get_state(legacy=False)
    assert np.array_equal(before["state"]["key"], after["state"]["key"])
    assert before["state"]["pos"] == after["state"]["pos"]


def test_independent_calls_go_through_outcomes(
    notebook: Notebook, reference: list[CodeType]
) -> None:
    """Few round trips: a call of the student's code is one when graded, and so is a whole batch."""
    checks = {f"<{cell.name}>" for cell in notebook.of_kind("test")}
    solutions = {f"<{cell.name}>" for cell in notebook.of_kind("solution")}
    by_check: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        check = frame.f_back.f_code.co_filename if frame.f_back else ""
        called = frame.f_code
        if event == "call" and check in checks:
            by_check[check] += called.co_filename in solutions or called.co_name == "outcomes"

    sys.setprofile(count)
    try:
        notebook.grade(*reference)
    finally:
        sys.setprofile(None)
    assert by_check.keys() == checks
    assert by_check.total() <= 108, by_check.most_common(5)
    assert max(by_check.values()) <= 5, by_check.most_common(5)


def test_enough_solutions() -> None:
    assert len(WHEATS) >= 8
    assert len(CHAFFS) >= 60


@pytest.mark.parametrize("wheat", WHEATS, ids=stem)
def test_right_solution_gets_every_point(notebook: Notebook, wheat: Path) -> None:
    for seed in SEEDS[:8]:
        verdicts = notebook.grade(compiled(wheat), seed=seed)
        assert errors(verdicts) == {}, f"seed {seed}"
        assert points(verdicts) == 90


@pytest.mark.parametrize("chaff", CHAFFS, ids=stem)
def test_wrong_solution_loses_points_in_its_group_alone(
    notebook: Notebook, reference: list[CodeType], chaff: Path
) -> None:
    group, cells = must_lose(chaff)
    seed = random.Random(chaff.stem).getrandbits(63)  # one of its own: no seed may hide a mistake
    lost = errors(notebook.grade(*reference, compiled(chaff), seed=seed))
    groups = {name.split("-")[0] for name in lost}
    assert group in groups, f"seed {seed}: no check of {group} saw the mistake"
    assert cells <= lost.keys(), f"seed {seed}: not seen in {cells - lost.keys()}"
    assert groups <= {group, NEEDED_BY.get(group)}

    for name, error in lost.items():
        assert not isinstance(error, NameError), f"another mistake than meant: {error}"
        if raised_by(error, chaff) in (f"<{name}>", "<tools-checks>"):
            is_sentence = isinstance(error, AssertionError) and len(str(error).split()) >= 4
            assert is_sentence, f"{name} must say what is wrong, in a sentence: {error!r}"


def test_one_line_says_what_is_wrong() -> None:
    for path in [*WHEATS, *CHAFFS]:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        assert text, path.name
        assert len(text.splitlines()) == 1, path.name
        assert text.endswith("."), path.name


def test_unsolved_release_gets_nothing_and_says_so(notebook: Notebook) -> None:
    verdicts = notebook.grade(*(cell.code for cell in notebook.stubs))
    assert points(verdicts) == 0
    for name, verdict in verdicts.items():
        assert isinstance(verdict.error, NotImplementedError), f"{name}: {verdict.error!r}"
        assert "your own code" in str(verdict.error)
