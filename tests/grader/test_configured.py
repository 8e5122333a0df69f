"""Which students are meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbgrader.coursedir import CourseDirectory

from grader.course.assignment import given_files
from grader.submissions.students import students_of

STUDENTS = ["a b", "ada", "al[1]", "al1", "ü*"]


@pytest.mark.parametrize(
    ("pattern", "excluded", "expected"),
    [
        ("*", "", STUDENTS),
        ("a*", "ada", ["a b", "al1", "al[1]"]),
        ("al[1]", "", ["al[1]"]),  # an id to the letter before a pattern
        ("al?", "", ["al1"]),
        ("ü*", "", ["ü*"]),
        ("nobody", "", []),
        ("ada", "ada", []),
    ],
)
@pytest.mark.parametrize(
    "structure",
    [
        "{nbgrader_step}/{student_id}/{assignment_id}",
        "{nbgrader_step}/{assignment_id}/{student_id}",
    ],
)
def test_students_by_id_pattern_and_exclusion(
    tmp_path: Path, structure: str, pattern: str, excluded: str, expected: list[str]
) -> None:
    coursedir = CourseDirectory(
        root=str(tmp_path / "course [2030]"),
        submitted_directory="handed in (c++)",
        assignment_id="hw 1",
        directory_structure=structure,
        student_id=pattern,
        student_id_exclude=excluded,
    )
    step = coursedir.submitted_directory
    for student in STUDENTS:
        Path(coursedir.format_path(step, student, "hw 1")).mkdir(parents=True)
    (tmp_path / "course [2030]" / step / "a file").write_text("staff's own")
    assert students_of(coursedir, step) == sorted(expected)


def test_the_assignments_own_files(tmp_path: Path) -> None:
    for name in ("one.ipynb", "data.csv", "solutions_dev.py", "deep/er.txt", "kept.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = given_files(tmp_path, ["*_dev.py"], ["kept.py"])
    assert found == {"data.csv": b"data.csv", "deep/er.txt": b"deep/er.txt"}
