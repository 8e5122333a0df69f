"""The whole way of an assignment, from the repository's root, with nbgrader's own commands."""

import csv
import getpass

import nbformat

from .conftest import ASSIGNMENT, NOTEBOOK, new_course


def test_an_assignment_goes_out_and_its_grades_come_back(tmp_path) -> None:
    course = new_course(tmp_path / "course")
    course.nbgrader("generate_assignment", ASSIGNMENT)
    course.nbgrader("release_assignment", ASSIGNMENT)
    assert ASSIGNMENT in course.nbgrader("list")

    course.nbgrader("fetch_assignment", ASSIGNMENT)
    fetched = course.folder / ASSIGNMENT / NOTEBOOK
    released = course.folder / "release" / ASSIGNMENT / NOTEBOOK
    assert fetched.read_bytes() == released.read_bytes()
    nbformat.write(course.reference(), fetched)
    assert "Success" in course.nbgrader("validate", f"{ASSIGNMENT}/{NOTEBOOK}")
    course.nbgrader("submit", ASSIGNMENT)

    course.nbgrader("collect", ASSIGNMENT)
    course.nbgrader("autograde", ASSIGNMENT)
    course.nbgrader("generate_feedback", ASSIGNMENT)
    course.nbgrader("release_feedback", ASSIGNMENT)
    course.nbgrader("export")
    with (course.folder / "grades.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["student_id"] == getpass.getuser()
    assert float(row["score"]) == 90
    assert float(row["max_score"]) == 100

    course.nbgrader("fetch_feedback", ASSIGNMENT)
    (page,) = (course.folder / ASSIGNMENT / "feedback").rglob("*.html")
    assert "test_compression_metrics_comprehensive" in page.read_text()
