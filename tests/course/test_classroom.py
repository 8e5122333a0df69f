"""Made-up classes are what they are said to be, and the same for the same seed."""

import ast
from pathlib import Path

import pytest
from nbgrader.utils import is_solution

from grader.course import classroom
from grader.course.classroom import Classroom, ClassroomError, answers_in, make_class, solutions

from .conftest import ASSIGNMENT, NOTEBOOK, ROOT, read


@pytest.fixture(scope="module")
def room() -> Classroom:
    release, source = (read(ROOT / step / ASSIGNMENT / NOTEBOOK) for step in ("release", "source"))
    return Classroom.open(release, source, ROOT / "tests" / "module")


def test_a_class_is_the_same_for_the_same_seed(room: Classroom) -> None:
    assert make_class(room, 20, seed=1) == make_class(room, 20, seed=1)
    assert make_class(room, 20, seed=1) != make_class(room, 20, seed=2)


def test_a_class_is_85_percent_right_and_holds_everything_else(room: Classroom) -> None:
    stories = [submission.story for submission in make_class(room, 200, seed=3)]
    assert stories.count("all right") == 170
    assert set(classroom.BREAKAGES) <= set(stories)
    assert len(set(stories) & set(room.mistakes)) > 5


def test_every_notebook_of_a_class_is_different(room: Classroom) -> None:
    made = make_class(room, 200, seed=4)
    assert len({str(submission.notebook) for submission in made}) == 200


def test_solutions_are_as_a_student_writes_them(room: Classroom) -> None:
    for style in room.styles:
        assert len(style) == 11
        for answer in style.values():
            ast.parse(answer)
            assert "SOLUTION" not in answer


def test_writing_changes_solution_cells_alone(room: Classroom) -> None:
    notebook = room.write(room.styles[0])
    for old, new in zip(room.release.cells, notebook.cells, strict=True):
        assert (old == new) == (not is_solution(old) or old.cell_type == "markdown")


def test_each_breakage_is_one(room: Classroom) -> None:
    for style in room.styles:
        with pytest.raises(SyntaxError):
            ast.parse(classroom.syntax_error(style)["quantize_layer_weights"])
    reference = room.styles[0]
    loop = classroom.endless_loop(reference)["compute_neuron_importance"]
    assert "while True:\n        pass\n" in loop
    ast.parse(loop)
    assert "os._exit(1)" in classroom.crash(reference)["calculate_sparsity"]
    assert len(classroom.half_finished(reference)) == 5
    assert not classroom.untouched(reference)


def test_helpers_go_before_the_first_definition(tmp_path: Path) -> None:
    path = tmp_path / "style.py"
    path.write_text(
        '"""Why."""\n\nGROUP = "g"\nK = 1\n\n\ndef b():\n    return K\n\n\ndef a():\n    pass\n'
    )
    answers = answers_in(path, ["a", "b"])
    assert answers["a"] == "#| export\n\n\nK = 1\n\n\ndef a():\n    pass"
    assert answers["b"] == "#| export\ndef b():\n    return K"


def test_a_file_without_answers_and_an_unknown_mistake(room: Classroom, tmp_path: Path) -> None:
    (tmp_path / "none.py").write_text("x = 1\n")
    with pytest.raises(ClassroomError, match="defines none of"):
        answers_in(
            tmp_path / "none.py", list(solutions(read(ROOT / "source" / ASSIGNMENT / NOTEBOOK)))
        )
    with pytest.raises(ClassroomError, match="no chaff"):
        room.mistaken("nothing_of_the_kind")
