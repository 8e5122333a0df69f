"""Whatever lies in a submission's folder: a submission to grade, or one clear line."""

from __future__ import annotations

import base64
import copy
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import nbformat
import pytest
import stock_course
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell
from wall_course import ANSWERS, CHECKS, TOKEN, assignment, cell_of, notebook, submission

from grader.course.assignment import read_assignment
from grader.submissions.submission import (
    MAX_CELLS,
    MAX_PICTURES,
    NotANotebook,
    NotebookMissing,
    Submission,
    SubmissionError,
    TooLarge,
    UnsafeFile,
    clean_png,
    read_submission,
)


def kinds(read: Submission) -> list[str]:
    return [cell.kind for cell in read.cells]


def ids(read: Submission) -> list[str]:
    return [cell.grade_id for cell in read.cells if cell.grade_id]


MASTER_IDS = [cell.grade_id for cell in assignment().cells]


def test_a_submission_has_the_masters_cells_and_the_students_text() -> None:
    read = submission(notebook(None, "own = 1"))
    assert ids(read) == MASTER_IDS
    assert read.notes == ()
    own = next(cell for cell in read.cells if cell.kind == "added")
    assert own.source == "own = 1"
    by_id = {cell.grade_id: cell for cell in read.cells}
    assert by_id["prune"].source == ANSWERS["prune"]
    assert TOKEN not in str(read)


# --- files ----------------------------------------------------------------------------------------


def read_bytes(folder: Path, data: bytes) -> Submission:
    (folder / "small.ipynb").write_bytes(data)
    return read_submission(folder, assignment())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"  \n\0", "is empty"),
        (b"{", r"not valid JSON \(line 1\)"),
        (json.dumps(notebook()).encode()[:-100], "not valid JSON"),
        (b'{"cells": [\n"caf\xe9"]}', r"not in UTF-8 \(line 2\)"),
        (b"PK\x03\x04" + bytes(range(256)), "not"),
        (b"[1, 2]", "not a notebook"),
        (b'"text"', "not a notebook"),
        (b'{"cells": 7}', "not a notebook"),
        (b'{"cells": []}', "has no cells"),
        (b'{"cells": [1, null, "a"]}', "has no cells"),
        (b"[" * 200_000, "nested too deeply|not valid JSON"),
        (b'{"a":' * 200_000, "nested too deeply|not valid JSON"),
    ],
)
def test_what_is_no_notebook_gets_one_clear_line(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(NotANotebook, match=said) as raised:
        read_bytes(tmp_path, data)
    assert "\n" not in str(raised.value)
    assert "no grade changed" in str(raised.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_other_encodings_of_json_are_read(tmp_path: Path, encoding: str) -> None:
    read = read_bytes(tmp_path, json.dumps(notebook(), ensure_ascii=False).encode(encoding))
    assert ids(read) == MASTER_IDS


def test_numbers_no_notebook_has_are_harmless(tmp_path: Path) -> None:
    text = json.dumps(notebook())
    odd = '{"metadata": {"a": NaN, "b": 1e400, "c": -Infinity, "d": 1' + "0" * 9000 + "}, "
    assert ids(read_bytes(tmp_path, (odd + text[1:]).encode())) == MASTER_IDS


def test_a_lone_surrogate_is_replaced(tmp_path: Path) -> None:
    node = notebook(None, "x = 'MARK'")
    read = read_bytes(tmp_path, json.dumps(node).replace("MARK", "\\ud800").encode())
    assert next(c for c in read.cells if c.kind == "added").source == "x = '?'"


def test_a_missing_notebook_names_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "my\nhomework.ipynb").write_text("{}")
    with pytest.raises(NotebookMissing, match=r"small.ipynb is missing \(found: my\?homework"):
        read_submission(tmp_path, assignment())


def test_links_folders_and_pipes_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.ipynb"
    outside.write_text(json.dumps(notebook()))
    folder = tmp_path / "student" / "small"
    folder.mkdir(parents=True)
    target = folder / "small.ipynb"
    target.symlink_to(outside)
    with pytest.raises(UnsafeFile, match="symbolic link"):
        read_submission(folder, assignment())
    target.unlink()
    target.mkdir()
    with pytest.raises(UnsafeFile, match="not a plain file"):
        read_submission(folder, assignment())
    target.rmdir()
    os.mkfifo(target)
    with pytest.raises(UnsafeFile, match="not a plain file"):
        read_submission(folder, assignment())
    linked = tmp_path / "other"
    linked.symlink_to(tmp_path / "student")
    with pytest.raises(UnsafeFile, match="not a folder"):
        read_submission(linked / "small", assignment())
    direct = tmp_path / "student" / "direct"
    direct.symlink_to(folder)
    with pytest.raises(UnsafeFile, match="not a folder"):
        read_submission(direct, assignment())


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="cannot be read"):
        read_submission(tmp_path / "nobody" / "small", assignment())


def test_a_file_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "small.ipynb", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(TooLarge, match="clear its outputs"):
        read_submission(tmp_path, assignment())


def test_thousands_of_cells_are_refused_and_hundreds_are_not(tmp_path: Path) -> None:
    node = notebook(None, *["pass"] * 500)
    assert kinds(read_bytes(tmp_path, json.dumps(node).encode())).count("added") == 500
    node.cells += [new_code_cell("pass") for _ in range(MAX_CELLS)]
    with pytest.raises(TooLarge, match="delete their extra cells"):
        read_bytes(tmp_path, json.dumps(node).encode())


def test_megabytes_of_outputs_are_dropped(tmp_path: Path) -> None:
    node = notebook()
    node.cells[3].outputs = [{"output_type": "stream", "name": "stdout", "text": "x" * 20_000_000}]
    read = read_bytes(tmp_path, json.dumps(node).encode())
    assert len(str(read)) < 50_000


def test_an_old_notebook_format_is_read(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "input": [ANSWERS["prune"], "\n"], "language": "python"},
        {"cell_type": "heading", "source": "Title", "level": 1},
    ]
    old = {"nbformat": 3, "metadata": {}, "worksheets": [{"cells": cells}]}
    read = read_bytes(tmp_path, json.dumps(old).encode())
    assert any(cell.source.startswith(ANSWERS["prune"]) for cell in read.cells)
    assert [cell.grade_id for cell in read.cells if cell.kind == "check"] == list(CHECKS)


# --- cells ----------------------------------------------------------------------------------------


def test_an_edited_check_is_the_masters_again() -> None:
    node = notebook()
    cell = cell_of(node, "test_prune")
    cell.source = "pass"
    cell.metadata.nbgrader |= {"points": 100, "grade": False, "locked": False, "solution": True}
    cell.metadata.tags = ["experiment", "skip-execution"]
    read = submission(node)
    check = next(c for c in read.cells if c.grade_id == "test_prune")
    assert (check.kind, check.source) == ("check", assignment().by_id["test_prune"].visible)
    assert read.notes == ("test_prune was changed; the course's own text counts",)


def test_a_check_pasted_twice_counts_once_where_it_stands_last() -> None:
    node = notebook()
    copied = copy.deepcopy(cell_of(node, "test_sparsity"))
    copied.source = "test = 'my copy'"
    node.cells.append(copied)
    read = submission(node)
    assert sorted(ids(read)) == sorted(MASTER_IDS)
    assert read.cells[-1].grade_id == "test_sparsity"
    assert read.cells[4].kind == "added"
    assert any("more than once" in note for note in read.notes)


def test_a_solution_split_in_two_runs_both_parts() -> None:
    node = notebook()
    first = cell_of(node, "prune")
    second = copy.deepcopy(first)
    head, tail = ANSWERS["prune"].split("\n", 1)
    first.source, second.source = f"import os\n{head}\n    pass", f"{head}\n{tail}"
    node.cells.insert(node.cells.index(first) + 1, second)
    read = submission(node)
    parts = [cell for cell in read.cells if "def prune" in cell.source]
    assert [(cell.kind, cell.grade_id) for cell in parts] == [
        ("solution", "prune"),
        ("added", None),
    ]


def test_a_missing_check_comes_after_both_parts_of_a_split_solution() -> None:
    node = notebook()
    first = cell_of(node, "prune")
    second = copy.deepcopy(first)
    first.source = "half = 0.5"
    node.cells.insert(node.cells.index(first) + 1, second)
    node.cells.remove(cell_of(node, "test_prune"))
    sources = [cell.source for cell in submission(node).cells]
    check = assignment().by_id["test_prune"].visible
    assert sources.index(check) == sources.index(second.source) + 1


def test_missing_checks_and_questions_come_after_their_predecessor() -> None:
    node = notebook()
    gone = {"test_sparsity", "test_sparsity-random", "test_prune-refuses", "why", "imports"}
    node.cells = [c for c in node.cells
                  if c.metadata.get("nbgrader", {}).get("grade_id") not in gone]  # fmt: skip
    read = submission(node)
    assert ids(read) == [grade_id for grade_id in MASTER_IDS if grade_id != "imports"]
    assert "why was missing" in read.notes


def test_checks_come_last_where_the_solutions_lost_their_ids_too() -> None:
    node = notebook()
    for cell in node.cells:
        cell.metadata.clear()
    read = submission(node)
    kinds = [cell.kind for cell in read.cells if cell.kind in {"added", "check"}]
    assert kinds == sorted(kinds)
    assert set(kinds) == {"added", "check"}
    assert "prune was missing" in read.notes


@pytest.mark.parametrize(
    ("grade_id", "kinds"),
    [
        ("test_prune", ["added", "check"]),
        ("imports", ["given", "added"]),
        ("why", ["task", "text"]),
    ],
)
def test_what_was_written_into_a_read_only_cell_is_the_students_own(
    grade_id: str, kinds: list[str]
) -> None:
    node = notebook()
    cell_of(node, grade_id).source += "\n\nimport time"
    read = submission(node)
    near = [i for i, cell in enumerate(read.cells) if cell.source.endswith("import time")]
    here = [i for i, cell in enumerate(read.cells) if cell.grade_id == grade_id]
    assert [read.cells[i].kind for i in sorted(near + here)] == kinds
    assert abs(near[0] - here[0]) == 1
    assert f"{grade_id} was changed; the course's own text counts" in read.notes


def test_moved_cells_stay_where_they_were_moved() -> None:
    node = notebook()
    node.cells = node.cells[::-1]
    assert ids(submission(node)) == MASTER_IDS[::-1]


def test_a_changed_cell_type_is_the_masters_again() -> None:
    node = notebook()
    for grade_id in ("prune", "test_prune"):
        cell_of(node, grade_id)["cell_type"] = "markdown"
    read = submission(node)
    assert ids(read) == MASTER_IDS
    assert {c.cell_type for c in read.cells if c.grade_id in {"prune", "test_prune"}} == {"code"}


@pytest.mark.parametrize(
    "grade_id", ["no such cell", "", 7, None, ["prune"], {"a": 1}, "__proto__"]
)
def test_an_unknown_id_makes_an_own_cell(grade_id: Any) -> None:
    node = json.loads(json.dumps(notebook()))
    node["cells"].append(
        {"cell_type": "code", "source": "own = 1", "outputs": [],
         "metadata": {"nbgrader": {"grade_id": grade_id, "grade": True, "points": 50}}}
    )  # fmt: skip
    assert submission(node).cells[-1].kind == "added"


def test_only_the_masters_own_markdown_is_trusted() -> None:
    node = notebook()
    node.cells[0].source += " "
    assert not submission(node).cells[0].trusted
    assert submission(notebook()).cells[0].trusted


def png(width: int = 4, height: int = 4) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        sums = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + sums

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IEND", b"")


def test_an_experiment_keeps_its_png_pictures_and_nothing_else() -> None:
    node = notebook()
    good = base64.b64encode(png()).decode()
    other_signature = base64.b64encode(b"GIF89a__" + png()[8:]).decode()
    other_chunk = base64.b64encode(png().replace(b"IHDR", b"IEND")).decode()
    cell_of(node, "experiment-draw").outputs = [
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": good}},
        {"output_type": "display_data", "data": {"text/html": "<script>alert(1)</script>"}},
        {"output_type": "display_data", "data": {"image/svg+xml": "<svg onload='alert(1)'/>"}},
        {"output_type": "display_data", "data": {"image/png": "PHNjcmlwdD4="}},
        {"output_type": "display_data", "data": {"image/png": other_signature}},
        {"output_type": "display_data", "data": {"image/png": other_chunk}},
        {"output_type": "display_data", "data": {"image/png": 7}},
        {"output_type": "stream", "text": "passed: 100 of 100"},
        None,
    ]
    cell = next(c for c in submission(node).cells if c.kind == "experiment")
    assert cell.pictures == (good,)


def sketched(*attachments: Any) -> Submission:
    """A submission with a text of the student's that has these attachments."""
    node = notebook()
    node.cells.append(new_markdown_cell("![sketch](attachment:0.png)"))
    node.cells[-1].attachments = {f"{i}.png": data for i, data in enumerate(attachments)}
    return submission(node)


def test_a_written_answer_keeps_its_png_pictures_in_order() -> None:
    first, second = (base64.b64encode(png(width)).decode() for width in (4, 5))
    read = sketched({"image/png": first}, {"image/png": [second[:9], second[9:]]})
    assert read.cells[-1].pictures == (first, second)
    assert read.cells[-1].source == "![sketch](attachment:0.png)"
    assert read.notes == ()


def test_so_does_an_answer_in_a_cell_of_the_masters(tmp_path: Path) -> None:
    node, picture = stock_course.master(), base64.b64encode(png()).decode()
    nbformat.write(node, tmp_path / "one.ipynb")
    cell_of(node, "why").attachments = {"a.png": {"image/png": picture}}
    cell_of(node, "more").attachments = {"a.png": {"image/png": picture}}
    cell_of(node, "more").source += " My answer."
    master = read_assignment(tmp_path / "one.ipynb", "hw")
    nbformat.write(node, tmp_path / "one.ipynb")
    read = read_submission(tmp_path, master)
    shown = {(cell.kind, cell.grade_id): cell.pictures for cell in read.cells if cell.pictures}
    assert shown == {("answer", "why"): (picture,), ("text", None): (picture,)}


@pytest.mark.parametrize(
    "attachment",
    [
        None,
        [],
        {},
        "iVBORw0KGgo=",
        {"image/png": 7},
        {"image/png": None},
        {"image/png": ["PHN2Zz4=", 7]},
        {"image/png": "not base64: \u00e9"},
        {"image/png": "PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIj4="},
        {"image/png": base64.b64encode(png(60_000, 2)).decode()},
        {"image/png": base64.b64encode(png() + bytes(3 * 2**20)).decode()},
        {"image/jpeg": "/9j/4AAQSkZJRg=="},
        {"image/svg+xml": "<svg onload='alert(1)'/>", "text/html": "<script>alert(1)</script>"},
    ],
)
def test_an_attachment_that_is_no_png_is_left_out_and_staff_is_told(attachment: Any) -> None:
    good = base64.b64encode(png()).decode()
    read = sketched(attachment, {"image/png": good, "text/html": "<script>alert(1)</script>"})
    assert read.cells[-1].pictures == (good,)
    [note] = read.notes
    assert note.startswith("attached pictures left out: 1 ")


def test_ten_thousand_attachments_are_bounded() -> None:
    many = [{"image/png": base64.b64encode(png(1 + i)).decode()} for i in range(8000)]
    read = sketched(*many, *[{"image/png": "x" * 1000}] * 2000)
    assert len(read.cells[-1].pictures) == MAX_PICTURES
    assert read.notes[0].startswith(f"attached pictures left out: {10_000 - MAX_PICTURES} ")


@pytest.mark.parametrize("attachments", [7, [], "x", None, [{"image/png": "x"}]])
def test_attachments_that_are_none_are_nothing(attachments: Any) -> None:
    node = notebook()
    node.cells.append({**new_markdown_cell("text"), "attachments": attachments})
    read = submission(node)
    assert read.cells[-1].pictures == ()
    assert read.notes == ()


@pytest.mark.parametrize(
    "data", [b"GIF89a", b"", png(0, 1), png(60_000, 2), png() + bytes(3 * 2**20), png()[:20]]
)
def test_what_is_no_png_of_reasonable_size_is_dropped(data: bytes) -> None:
    assert clean_png(base64.b64encode(data).decode()) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=2000)
@given(st.data())
def test_any_damage_gives_a_submission_or_an_error(data: st.DataObject) -> None:
    node = json.loads(json.dumps(notebook()))
    for _ in range(data.draw(st.integers(1, 5))):
        place: Any = node
        for _ in range(data.draw(st.integers(0, 5))):
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
                place[key] = data.draw(json_values)
                break
            place = place[key]
    try:
        read = submission(node)
    except SubmissionError:
        return
    checks = [cell.grade_id for cell in read.cells if cell.kind == "check"]
    assert sorted(map(str, checks)) == sorted(CHECKS)
