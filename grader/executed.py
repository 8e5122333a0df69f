"""The executed notebook, as formgrader and feedback show it; a submission's text always as text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nbformat import NotebookNode, v4

from grader.assignment import Assignment, MasterCell
from grader.submission import Cell, Submission, clean_png

if TYPE_CHECKING:
    from grader.examine import Verdict

_HIDDEN_NOTE = "# (hidden checks ran here)"
NOT_RUN = "(as submitted; experiments are not run again when a submission is graded)"


def executed_notebook(
    assignment: Assignment,
    submission: Submission,
    records: Mapping[int, Mapping[str, Any]],
    verdicts: Mapping[str, Verdict],
) -> NotebookNode:
    """The submission's cells with what they did: outputs, pictures, verdicts."""
    notebook = _new(v4.new_notebook, metadata=json.loads(assignment.metadata))
    for i, cell in enumerate(submission.cells):
        master = assignment.by_id[cell.grade_id] if cell.grade_id else None
        node = _node(assignment, cell)
        node["id"] = f"cell-{i}"
        if master is not None:
            node.metadata["nbgrader"] = NotebookNode(master.metadata())
        if cell.kind == "check" and master is not None:
            node.source = _check_source(master)
            node.outputs = [_verdict_output(verdicts[master.grade_id])]
        elif i in records:
            node.outputs = _outputs(records[i])
        elif cell.kind == "experiment":
            node.outputs = _experiment_outputs(cell)
        notebook.cells.append(node)
    return notebook


def _node(assignment: Assignment, cell: Cell) -> NotebookNode:
    if cell.cell_type == "code":
        return _new(v4.new_code_cell, cell.source)
    if cell.cell_type == "raw":
        return _new(v4.new_raw_cell, cell.source)
    if not cell.trusted:
        return _new(v4.new_markdown_cell, as_text(cell.source))
    node = _new(v4.new_markdown_cell, cell.source)
    if cell.grade_id is None:
        attachments = assignment.attachments[assignment.texts.index(cell.source)]
        if attachments != "{}":
            node["attachments"] = json.loads(attachments)
    return node


def as_text(source: str) -> str:
    """Markdown that shows the source as it is: nothing in it is a tag, a link or a formula."""
    if not source.strip():
        return ""
    longest = max((len(run) for run in re.findall(r"`+", source)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{source}\n{fence}"


def _check_source(master: MasterCell) -> str:
    return f"{master.visible.rstrip()}\n{_HIDDEN_NOTE}" if master.hidden else master.visible


def _verdict_output(verdict: Verdict) -> NotebookNode:
    if verdict.passed:
        text = f"passed: {verdict.points:g} of {verdict.max_points:g} points\n"
        return _new(v4.new_output, "stream", name="stdout", text=text)
    message = f"failed: {verdict.points:g} of {verdict.max_points:g} points\n{verdict.message}"
    return _new(v4.new_output, "error", ename="failed", evalue=verdict.message, traceback=[message])


def _outputs(record: Mapping[str, Any]) -> list[NotebookNode]:
    """The outputs that a submission's process reported: of known kinds, all of them text or PNG."""
    nodes = []
    for output in record.get("outputs", []):
        node = _output(output) if isinstance(output, dict) else None
        if node is not None:
            nodes.append(node)
    if stopped := record.get("stopped") or record.get("message"):
        text = f"stopped: {stopped}"
        nodes.append(_new(v4.new_output, "error", ename="stopped", evalue=text, traceback=[text]))
    return nodes


def _output(output: Mapping[str, Any]) -> NotebookNode | None:
    match output:
        case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
            return _new(v4.new_output, "stream", name=name, text=text)
        case {"output_type": "execute_result" | "display_data" as kind, "data": dict(data)}:
            return _data(kind, data)
        case {"output_type": "error", "ename": str(ename), "evalue": str(evalue),
              "traceback": list(traceback)}:  # fmt: skip
            lines = [str(line) for line in traceback]
            return _new(v4.new_output, "error", ename=ename, evalue=evalue, traceback=lines)
    return None


def _data(kind: str, data: Mapping[str, Any]) -> NotebookNode | None:
    kept: dict[str, str] = {}
    if isinstance(text := data.get("text/plain"), str):
        kept["text/plain"] = text
    if isinstance(encoded := data.get("image/png"), str) and (picture := clean_png(encoded)):
        kept["image/png"] = picture
    if not kept:
        return None
    if kind == "execute_result":
        return _new(v4.new_output, kind, data=kept, execution_count=None)
    return _new(v4.new_output, "display_data", data=kept)


def _experiment_outputs(cell: Cell) -> list[NotebookNode]:
    shown = [
        _new(v4.new_output, "display_data", data={"image/png": picture})
        for picture in cell.pictures
    ]
    return [*shown, _new(v4.new_output, "stream", name="stdout", text=NOT_RUN + "\n")]


def _new(make: Callable[..., Any], *args: object, **fields: object) -> NotebookNode:
    node: NotebookNode = make(*args, **fields)
    return node
