"""The executed notebook: what a submission wrote is text, whatever it wrote."""

from __future__ import annotations

import base64
import json
from typing import Any

import nbformat
import pytest
from nbconvert import HTMLExporter
from test_submission import png
from wall_course import CHECKS, TOKEN, assignment, cell_of, notebook, submission

from grader.engine.gradebook import Sheet
from grader.feedback.page import page
from grader.wall.examine import Verdict
from grader.wall.executed import HIDDEN, NOT_RUN, as_text, executed_notebook

EVIL = "<script>alert(1)</script>"


def verdicts(message: str = "") -> dict[str, Verdict]:
    return {
        name: Verdict(name, 0.0 if message else points, points, message)
        for name, (points, _) in CHECKS.items()
    }


def executed(
    node: nbformat.NotebookNode, outputs: list[Any] | None = None, message: str = ""
) -> nbformat.NotebookNode:
    read = submission(node)
    records = {
        i: {"outputs": outputs or [], "stopped": None}
        for i, cell in enumerate(read.cells)
        if cell.kind in {"added", "solution"}
    }
    result = nbformat.from_dict(executed_notebook(assignment(), read, records, verdicts(message)))
    nbformat.validate(result)
    return result


def test_each_check_shows_its_points_and_message_and_nothing_hidden() -> None:
    passed = cell_of(executed(notebook()), "test_sparsity-random")
    assert passed.outputs[0].text == "passed: 3 of 3 points\n"
    assert HIDDEN in passed.source
    failed = cell_of(executed(notebook(), message="expected 1, got 2"), "test_sparsity-random")
    assert failed.outputs[0].traceback == ["failed: 0 of 3 points\nexpected 1, got 2"]
    assert TOKEN not in str(executed(notebook()))


def test_a_master_cell_has_the_masters_metadata() -> None:
    node = notebook()
    cell_of(node, "prune").metadata.nbgrader |= {"points": 100, "comment": "A+"}
    data = cell_of(executed(node), "prune").metadata.nbgrader
    assert data["solution"]
    assert not {"points", "comment"} & set(data)


def test_markdown_of_the_master_stays_markdown_and_other_markdown_is_text() -> None:
    node = notebook()
    node.cells.insert(1, nbformat.v4.new_markdown_cell(f"# Mine {EVIL} [x](javascript:alert(1))"))
    result = executed(node)
    assert result.cells[0].source.startswith("# A small assignment")
    assert result.cells[1].source.startswith("```text\n# Mine")


@pytest.mark.parametrize(
    "source",
    [EVIL, f"```\n{EVIL}", f"````\n```\n{EVIL}\n````", "$\\href{javascript:alert(1)}{x}$",
     "<img src=x onerror=alert(1)>", "[a](javascript:alert(1))", "    <b>x</b>\n```"],
)  # fmt: skip
def test_nothing_in_a_page_is_made_of_a_submissions_text(source: str) -> None:
    node = notebook(None, f"x = '''{source}'''")
    node.cells.append(nbformat.v4.new_markdown_cell(source))
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": source},
        {"output_type": "execute_result", "data": {"text/plain": source, "text/html": source}},
        {"output_type": "error", "ename": source, "evalue": source, "traceback": [source]},
    ]
    html, _ = HTMLExporter().from_notebook_node(executed(node, outputs, message=source))
    clean, _ = HTMLExporter().from_notebook_node(executed(notebook(None, "x = 1"), None, "m"))
    assert html.count("<script") == clean.count("<script")
    assert "onerror=alert" not in html.replace("&lt;img src=x onerror=alert(1)&gt;", "")
    assert 'href="javascript' not in html
    assert "<b>x</b>" not in html


def test_outputs_of_unknown_kinds_are_dropped() -> None:
    outputs: list[Any] = [
        7,
        {"output_type": "update_display_data"},
        {"output_type": "display_data", "data": {"text/html": EVIL, "text/plain": "kept"}},
        {"output_type": "stream", "name": "stdin", "text": "x"},
        {"output_type": "display_data", "data": {"image/png": base64.b64encode(png()).decode()}},
        {"output_type": "display_data", "data": {"image/png": "bm8gcGljdHVyZQ=="}},
    ]
    cell = executed(notebook(None, "x = 1"), outputs).cells[4]
    assert [sorted(o.data) for o in cell.outputs] == [["text/plain"], ["image/png"]]


def test_an_experiment_shows_what_was_submitted_and_says_so() -> None:
    node = notebook()
    picture = base64.b64encode(png()).decode()
    cell_of(node, "experiment-draw").outputs = [
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": picture}}
    ]
    outputs = cell_of(executed(node), "experiment-draw").outputs
    assert outputs[0].data["image/png"] == picture
    assert outputs[1].text == f"{NOT_RUN}\n"


def test_a_long_line_of_an_answer_is_wrapped() -> None:
    """Formgrader does not wrap text: who reads an answer would have to scroll for each line."""
    word = "w" * 150
    answer = f"{'long ' * 60}end\n\n  kept  as  it  is\n{word} {word} short"
    lines = as_text(answer).splitlines()[1:-1]
    assert max(len(line) for line in lines if word not in line) <= 100
    assert lines[-3:] == [word, word, "short"]
    assert lines[-5:-3] == ["", "  kept  as  it  is"]
    assert " ".join(lines[:-5]).split() == ["long"] * 60 + ["end"]


def pages(node: nbformat.NotebookNode) -> tuple[str, str]:
    """As formgrader shows it, and as feedback does."""
    html, _ = HTMLExporter().from_notebook_node(node)
    return html, page(json.loads(nbformat.writes(node)), "small", Sheet())


def test_a_written_answer_shows_the_pictures_in_it_below_its_text() -> None:
    node = notebook()
    picture = base64.b64encode(png()).decode()
    hostile = f'x"]({EVIL})![](javascript:alert(1)'
    node.cells.append(nbformat.v4.new_markdown_cell(f"{EVIL} ![mine](attachment:{hostile})"))
    node.cells[-1].attachments = {hostile: {"image/png": picture, "text/html": EVIL}}
    result = executed(node)
    assert list(result.cells[-1].attachments.values()) == [{"image/png": picture}]
    source = f'src="data:image/png;base64,{picture}"'
    for shown, without in zip(pages(result), pages(executed(notebook())), strict=True):
        assert shown.count(source) == 1
        assert shown.index("![mine]") < shown.index(source)
        assert shown.count("<script") == without.count("<script")
        assert shown.count("<img") == without.count("<img") + 1
        assert 'href="javascript' not in shown


def test_another_picture_makes_another_text_so_that_a_change_is_seen() -> None:
    def shown(width: int) -> str:
        node = notebook()
        picture = base64.b64encode(png(width)).decode()
        node.cells.append(nbformat.v4.new_markdown_cell("![](attachment:a.png)"))
        node.cells[-1].attachments = {"a.png": {"image/png": picture}}
        return str(executed(node).cells[-1].source)

    assert shown(4) == shown(4) != shown(5)


def test_an_empty_cell_stays_empty() -> None:
    assert as_text("  \n") == ""
