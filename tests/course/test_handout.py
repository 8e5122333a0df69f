"""Handing feedback out where some submissions did not come through the exchange."""

import pytest

from .conftest import ASSIGNMENT, new_course


@pytest.mark.parametrize("missing", ["timestamp.txt", "submission_secret.txt"])
def test_a_page_that_nobody_can_fetch_stops_no_other(tmp_path, missing: str) -> None:
    course = new_course(tmp_path / "course")
    for student in ("mailed", "submitted"):
        folder = course.folder / "feedback" / student / ASSIGNMENT
        folder.mkdir(parents=True)
        (folder / "compression_dev.html").write_text(f"page of {student}")
        (folder / "timestamp.txt").write_text("2030-01-15 12:00:00 UTC")
        (folder / "submission_secret.txt").write_text(f"secret of {student}")
    (course.folder / "feedback" / "mailed" / ASSIGNMENT / missing).unlink()

    said = course.nbgrader("release_feedback", ASSIGNMENT)

    assert "mailed: this submission did not come through the exchange" in said
    assert "Traceback" not in said
    pages = (course.folder / "exchange").rglob("*.html")
    assert [page.read_text() for page in pages] == ["page of submitted"]


def test_where_there_is_no_page_nothing_is_called_released(tmp_path) -> None:
    course = new_course(tmp_path / "course")
    result = course.run("nbgrader", "release_feedback", ASSIGNMENT, "--student", "ada")
    assert result.returncode != 0
    assert f"no feedback page of {ASSIGNMENT} by ada" in result.stderr
    assert "Traceback" not in result.stderr
