"""What grading knows of an assignment, and that it stops where the gradebook knows another one."""

from __future__ import annotations

import pickle
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config
from wall_course import ANSWERS, CHECKS, TOKEN, assignment, cell_of, master, write_source

from grader.course.assignment import (
    AssignmentError,
    compare_with_gradebook,
    read_assignment,
    source_notebooks,
)


def test_an_assignment_knows_its_cells() -> None:
    kinds = [cell.kind for cell in assignment().cells]
    assert kinds.count("given") == 2
    assert kinds.count("solution") == len(ANSWERS)
    assert [cell.grade_id for cell in assignment().checks] == list(CHECKS)
    assert {"experiment", "task"} <= set(kinds)


def test_an_assignment_knows_what_the_student_has_to_define() -> None:
    assert assignment().functions == ("sparsity", "prune")
    (scale,) = assignment().classes
    assert (scale.name, scale.methods) == ("Scale", ("__init__", "__call__", "gradient"))


def test_hidden_tests_are_in_the_source_and_not_in_what_is_shown() -> None:
    hidden = assignment().by_id["test_sparsity-random"]
    assert hidden.hidden
    assert TOKEN in hidden.source
    assert TOKEN not in hidden.visible
    assert not assignment().by_id["test_sparsity"].hidden


def test_no_solution_is_in_it() -> None:
    assert ANSWERS["sparsity"].splitlines()[-1].strip() not in pickle.dumps(assignment()).decode(
        "latin-1"
    )


def test_equal_sources_have_equal_digests(tmp_path: Path) -> None:
    read = read_assignment(write_source(tmp_path), "small")
    assert read == assignment()
    assert read.digest == assignment().digest
    assert pickle.loads(pickle.dumps(read)).digest == read.digest  # noqa: S301 - our own
    node = master()
    cell_of(node, "test_prune").metadata.nbgrader.points = 7
    nbformat.write(node, tmp_path / "other.ipynb")
    assert read_assignment(tmp_path / "other.ipynb", "small").digest != read.digest


@pytest.mark.parametrize(
    ("grade_id", "source", "said"),
    [
        ("imports", "%matplotlib inline", "imports is not plain Python"),
        ("test_prune", "def broken(:", "test_prune is not plain Python"),
        ("sparsity", "!ls", "sparsity is not plain Python"),
    ],
)
def test_cells_that_cannot_be_graded_with_are_named(
    tmp_path: Path, grade_id: str, source: str, said: str
) -> None:
    node = master()
    cell_of(node, grade_id).source = source
    nbformat.write(node, tmp_path / "small.ipynb")
    with pytest.raises(AssignmentError, match=said):
        read_assignment(tmp_path / "small.ipynb", "small")


def test_an_id_used_twice_is_named(tmp_path: Path) -> None:
    node = master()
    cell_of(node, "test_prune").metadata.nbgrader.grade_id = "test_scale"
    nbformat.write(node, tmp_path / "small.ipynb")
    with pytest.raises(AssignmentError, match="twice: test_scale"):
        read_assignment(tmp_path / "small.ipynb", "small")


def test_a_source_that_is_missing_or_broken_is_told(tmp_path: Path) -> None:
    with pytest.raises(AssignmentError, match="missing"):
        read_assignment(tmp_path / "none.ipynb", "small")
    (tmp_path / "none.ipynb").write_text("{")
    with pytest.raises(AssignmentError, match="not a notebook"):
        read_assignment(tmp_path / "none.ipynb", "small")
    with pytest.raises(AssignmentError, match="no notebook in"):
        source_notebooks(tmp_path / "empty")


def test_a_gradebook_of_another_source_is_refused(tmp_path: Path) -> None:
    path = write_source(tmp_path)
    config = Config()
    config.CourseDirectory.root = str(tmp_path)
    api = NbGraderAPI(config=config)
    with Gradebook(api.coursedir.db_url) as gradebook:
        with pytest.raises(AssignmentError, match="run `nbgrader generate_assignment small`"):
            compare_with_gradebook(assignment(), gradebook)
        assert api.generate_assignment("small")["success"]
        compare_with_gradebook(assignment(), gradebook)
        node = master()
        cell_of(node, "test_prune").source += "\n# changed"
        nbformat.write(node, path)
        changed = read_assignment(path, "small")
        with pytest.raises(AssignmentError, match="cell test_prune, 1 in all"):
            compare_with_gradebook(changed, gradebook)
