"""What nbgrader makes of the perfect and of the untouched notebook."""

import pytest
from nbconvert import HTMLExporter
from nbgrader.api import Gradebook
from nbgrader.utils import is_grade

from .conftest import ASSIGNMENT, NOTEBOOK, SKETCH, Course, read

STUB = "this is where your own code goes"


def gradebook(course: Course) -> Gradebook:
    return Gradebook(f"sqlite:///{course.folder}/gradebook.db")


def test_the_reference_gets_every_point_of_the_tests(graded: Course) -> None:
    with gradebook(graded) as book:
        submission = book.find_submission(ASSIGNMENT, "reference")
        assert submission.score == 90
        assert submission.max_score == 100
        assert submission.needs_manual_grade


def test_the_feedback_page_says_which_answers_wait(graded: Course) -> None:
    page = graded.folder / "feedback" / "reference" / ASSIGNMENT / "compression_dev.html"
    assert page.read_text().count("not graded yet") == 4  # two answers, each twice


def test_a_picture_in_a_written_answer_is_there_for_who_grades_it_and_in_feedback(
    graded: Course,
) -> None:
    autograded = graded.folder / "autograded" / "late" / ASSIGNMENT / NOTEBOOK
    formgrader, _ = HTMLExporter().from_notebook_node(read(autograded))
    feedback = graded.folder / "feedback" / "late" / ASSIGNMENT / "compression_dev.html"
    for page in (formgrader, feedback.read_text()):
        assert "As in ![my sketch](attachment:image.png)" in page
        assert page.count(f'src="data:image/png;base64,{SKETCH}"') == 1


def test_an_untouched_release_gets_none(graded: Course) -> None:
    with gradebook(graded) as book:
        assert book.find_submission(ASSIGNMENT, "untouched").score == 0


def test_every_graded_cell_of_an_untouched_release_says_what_is_missing(graded: Course) -> None:
    notebook = read(graded.folder / "autograded" / "untouched" / ASSIGNMENT / NOTEBOOK)
    for cell in notebook.cells:
        if is_grade(cell) and cell.cell_type == "code":
            said = "".join(str(output) for output in cell.outputs)
            assert STUB in said, cell.metadata.nbgrader.grade_id


def test_written_answers_complete_the_hundred(graded: Course) -> None:
    with gradebook(graded) as book:
        notebook = book.find_submission_notebook("compression_dev", ASSIGNMENT, "reference")
        written = [grade for grade in notebook.grades if not grade.name.startswith("test_")]
        assert [grade.max_score for grade in written] == [5, 5]
        for grade in written:
            grade.manual_score = 5
            grade.needs_manual_grade = False
        book.db.flush()
        assert book.find_submission(ASSIGNMENT, "reference").score == 100
        book.db.rollback()


def test_feedback_pages_are_made_and_the_twin_is_nowhere(graded: Course) -> None:
    for student in ("reference", "untouched"):
        page = graded.folder / "feedback" / student / ASSIGNMENT / "compression_dev.html"
        assert STUB in page.read_text() or student == "reference"
    made = [path for path in graded.folder.rglob("*_dev.py") if "source" not in path.parts]
    assert not made


@pytest.mark.parametrize(("step", "passes"), [("source", True), ("release", False)])
def test_validate_tells_solved_from_unsolved(graded: Course, step: str, passes: bool) -> None:
    said = graded.nbgrader("validate", f"{step}/{ASSIGNMENT}/{NOTEBOOK}")
    assert ("Success! Your notebook passes all the tests." in said) == passes
    assert ("VALIDATION FAILED" in said) != passes


def test_a_late_submission_is_marked_and_loses_nothing(graded: Course) -> None:
    with gradebook(graded) as book:
        submission = book.find_submission(ASSIGNMENT, "late")
        assert submission.total_seconds_late == 86400
        assert submission.score == 90
