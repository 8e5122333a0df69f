"""The executed notebook, as formgrader and feedback show it; a submission's text always as text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from grader.course.assignment import Assignment, MasterCell
from grader.submissions.submission import Cell, Submission, clean_png

if TYPE_CHECKING:
    from grader.wall.examine import Verdict

HIDDEN = "# (hidden checks ran here)"
LINE = 100
NOT_RUN = "(as submitted; experiments are not run again when a submission is graded)"

Node = dict[str, Any]


def executed_notebook(
    assignment: Assignment,
    submission: Submission,
    records: Mapping[int, Mapping[str, Any]],
    verdicts: Mapping[str, Verdict],
) -> Node:
    """The submission's cells with what they did: outputs, pictures, verdicts.

    records: what happened, by cell index. The source of hidden tests is not in it. A notebook of
    nbformat 4, plain as JSON.
    """
    cells = []
    for i, cell in enumerate(submission.cells):
        master = assignment.by_id[cell.grade_id] if cell.grade_id else None
        node = _node(assignment, cell)
        node["id"] = f"cell-{i}"
        node["metadata"] = {"nbgrader": master.metadata()} if master else {}
        if cell.kind == "check" and master is not None:
            node["source"] = _check_source(master)
            node["outputs"] = [_verdict_output(verdicts[master.grade_id])]
        elif i in records:
            node["outputs"] = _outputs(records[i])
        elif cell.kind == "experiment":
            node["outputs"] = [_display(picture) for picture in cell.pictures]
            node["outputs"].append(_stream("stdout", f"{NOT_RUN}\n"))
        cells.append(node)
    metadata = json.loads(assignment.metadata)
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}


def _node(assignment: Assignment, cell: Cell) -> Node:
    if cell.cell_type == "code":
        code = {"cell_type": "code", "source": cell.source}
        return {**code, "execution_count": None, "outputs": []}
    if cell.cell_type == "raw" or not cell.trusted:
        return _written(cell)
    node = {"cell_type": "markdown", "source": cell.source}
    if cell.grade_id is None:
        attachments = json.loads(assignment.attachments[assignment.texts.index(cell.source)])
        return {**node, "attachments": attachments} if attachments else node
    return node


def _written(cell: Cell) -> Node:
    """The student's text as it is, and below it the pictures in it.

    They are named after what they show: an answer with another picture is another answer.
    """
    named = {f"{hashlib.sha256(p.encode()).hexdigest()[:16]}.png": p for p in cell.pictures}
    shown = [f"![attached picture](attachment:{name})" for name in named]
    node = {"cell_type": "markdown", "source": "\n\n".join([as_text(cell.source), *shown])}
    attachments = {name: {"image/png": picture} for name, picture in named.items()}
    return {**node, "attachments": attachments} if attachments else node


def as_text(source: str) -> str:
    """Markdown that shows the source as it is: nothing in it is a tag, a link or a formula.

    Long lines are wrapped: formgrader's page and the feedback page would make the reader scroll.
    """
    if not source.strip():
        return ""
    longest = max((len(run) for run in re.findall(r"`+", source)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = [piece for line in source.split("\n") for piece in _wrapped(line)]
    return "\n".join([f"{fence}text", *lines, fence])


def _wrapped(line: str) -> Iterator[str]:
    """The line in pieces of at most LINE characters, cut at spaces; a long word stays whole."""
    start = 0
    while len(line) - start > LINE:
        cut = line.rfind(" ", start + 1, start + LINE + 1)
        if cut < 0:
            cut = line.find(" ", start + LINE + 1)
        if cut < 0:
            break
        yield line[start:cut]
        start = cut + 1
    yield line[start:]


def _check_source(master: MasterCell) -> str:
    return f"{master.visible.rstrip()}\n{HIDDEN}" if master.hidden else master.visible


def _verdict_output(verdict: Verdict) -> Node:
    points = f"{verdict.points:g} of {verdict.max_points:g} points"
    if verdict.passed:
        return _stream("stdout", f"passed: {points}\n")
    return _error("failed", verdict.message, [f"failed: {points}\n{verdict.message}"])


def _outputs(record: Mapping[str, Any]) -> list[Node]:
    """The outputs that a submission's process reported: of known kinds, all of them text or PNG."""
    found = [_output(output) for output in record.get("outputs", [])]
    nodes = [node for node in found if node is not None]
    if stopped := record.get("stopped") or record.get("message"):
        nodes.append(_error("stopped", str(stopped), [f"stopped: {stopped}"]))
    return nodes


def _output(output: object) -> Node | None:
    match output:
        case {"output_type": "stream", "name": "stdout" | "stderr" as name, "text": str(text)}:
            return _stream(name, text)
        case {"output_type": "execute_result" | "display_data" as kind, "data": dict(data)}:
            plain, encoded = data.get("text/plain"), data.get("image/png")
            shown = clean_png(encoded) if isinstance(encoded, str) else None
            kept = plain if isinstance(plain, str) else None
            return _display(shown, kept, kind) if (shown, kept) != (None, None) else None
        case {
            "output_type": "error",
            "ename": str(ename),
            "evalue": str(evalue),
            "traceback": list(traceback),
        }:
            return _error(ename, evalue, [str(line) for line in traceback])
    return None


def _encodable(text: str) -> str:
    """The text, with `?` for surrogates, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _stream(name: str, text: str) -> Node:
    return {"output_type": "stream", "name": name, "text": _encodable(text)}


def _error(ename: str, evalue: str, traceback: list[str]) -> Node:
    lines = [_encodable(line) for line in traceback]
    name, value = _encodable(ename), _encodable(evalue)
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": lines}


def _display(picture: str | None, text: str | None = None, kind: str = "display_data") -> Node:
    shown = None if text is None else _encodable(text)
    pairs = (("text/plain", shown), ("image/png", picture))
    data = {mime: content for mime, content in pairs if content is not None}
    count = {"execution_count": None} if kind == "execute_result" else {}
    return {"output_type": kind, "data": data, "metadata": {}, **count}
