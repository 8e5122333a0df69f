"""The page that a student gets."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from stock_course import _metadata

from grader.engine.gradebook import Sheet
from grader.feedback import page as feedback

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nnot much of a picture").decode()


def page(*cells: Any, sheet: Sheet | None = None, **options: Any) -> str:
    return feedback.page(new_notebook(cells=list(cells)), "one", sheet or Sheet(), **options)


def test_points_messages_comments_and_penalty_are_on_the_page() -> None:
    sheet = Sheet(
        score=3.5,
        max_score=9,
        late_penalty=1.5,
        scores={"test_a": (0, 4), "task": (5, 5)},
        comments={"answer": "Well *done*", "task": None},
    )
    failed = new_output("error", ename="failed", evalue="x", traceback=["a is 5, not 4"])
    text = page(
        new_code_cell("a = 4", metadata=_metadata("answer", solution=True)),
        new_code_cell("check(a)", metadata=_metadata("test_a", grade=True), outputs=[failed]),
        new_markdown_cell("Why?", metadata=_metadata("task", task=True)),
        sheet=sheet,
    )
    assert "Score: 3.5 / 9" in text
    assert "-1.5" in text
    assert "0 / 4" in text
    assert "5 / 5" in text
    assert "a is 5, not 4" in text
    assert "Well <em>done</em>" in text


def test_an_answer_that_nobody_read_is_not_shown_as_lost() -> None:
    task = new_markdown_cell("Why?", metadata=_metadata("task", task=True))
    sheet = Sheet(score=4, max_score=9, scores={"task": (0, 5)}, waiting=["task"])
    waiting = page(task, sheet=sheet)
    assert waiting.count("not graded yet") == 2  # in the overview and at the task
    assert "0 / 5" not in waiting
    assert "\u2717" not in waiting
    read = page(task, sheet=Sheet(max_score=5, scores={"task": (0, 5)}))
    assert "not graded yet" not in read
    assert "\u2717" in read


@pytest.mark.parametrize(
    "cell",
    [
        new_markdown_cell("<script>alert(1)</script>"),
        new_markdown_cell("[x](javascript:alert(1))"),
        new_markdown_cell('<img src=x onerror="alert(1)">'),
        new_code_cell("1", outputs=[new_output("stream", text="<script>alert(1)</script>")]),
        new_code_cell("1", outputs=[new_output("display_data", {"text/html": "<script>alert(1)"})]),
        new_code_cell(
            "1", outputs=[new_output("display_data", {"image/svg+xml": "<svg onload=alert(1)>"})]
        ),
        new_code_cell("1", outputs=[new_output("error", traceback=["<script>alert(1)</script>"])]),
        new_code_cell("'<script>alert(1)</script>'"),
        new_code_cell("1", metadata=_metadata('"><script>alert(1)</script>', grade=True)),
    ],
)
def test_what_a_student_wrote_is_text(cell: Any) -> None:
    text = page(cell)
    for harmful in ("<script>alert", "onload=alert", 'onerror="', 'href="javascript', "<img src=x"):
        assert harmful not in text


def test_pictures_are_shown_and_only_pictures() -> None:
    text = page(new_code_cell("1", outputs=[new_output("display_data", {"image/png": PNG})]))
    assert f'src="data:image/png;base64,{PNG}"' in text
    broken = '"><script>alert(1)</script>'
    text = page(new_code_cell("1", outputs=[new_output("display_data", {"image/png": broken})]))
    assert "<script>alert" not in text


def test_hidden_tests_are_shown_where_the_course_says_so() -> None:
    cell = new_code_cell("# (hidden checks ran here)", metadata=_metadata("t", grade=True))
    assert "token" not in page(cell)
    assert "token" in page(cell, shown={"t": "assert token"})


def test_a_question_that_is_all_mark_scheme_shows_nothing() -> None:
    cell = new_markdown_cell("=== BEGIN MARK SCHEME ===\ntoken", metadata=_metadata("q", task=True))
    assert "token" not in page(cell, shown={"q": ""})


def test_a_page_is_made_again_when_a_grade_or_comment_changed(tmp_path: Path) -> None:
    (tmp_path / "one.ipynb").write_text("{}")
    sheets = {"one": Sheet(score=1)}
    first = feedback.page_digest(tmp_path, sheets, {})
    assert feedback.page_digest(tmp_path, {"one": Sheet(score=1)}, {}) == first
    changed = [
        feedback.page_digest(tmp_path, {"one": Sheet(score=2)}, {}),
        feedback.page_digest(tmp_path, {"one": Sheet(score=1, comments={"a": "b"})}, {}),
        feedback.page_digest(tmp_path, sheets, {"one": {"t": "assert token"}}),
    ]
    (tmp_path / "one.ipynb").write_text("{} ")
    changed.append(feedback.page_digest(tmp_path, sheets, {}))
    assert len({first, *changed}) == 5


def test_pages_and_files_are_put_beside_each_other(tmp_path: Path) -> None:
    autograded, place = tmp_path / "autograded", tmp_path / "feedback" / "ada"
    autograded.mkdir()
    (autograded / "one.ipynb").write_text("{}")
    (autograded / "timestamp.txt").write_text("now")
    feedback.write_pages(place, autograded, {"one": b"<html>"}, "d", mode=0o640)
    assert sorted(os.listdir(place)) == [".grading.json", "one.html", "timestamp.txt"]
    assert (place / "one.html").stat().st_mode & 0o777 == 0o640
    assert feedback.is_current(place, "d")
    assert not feedback.is_current(place, "e")
    assert not feedback.is_current(tmp_path / "elsewhere", "d")
