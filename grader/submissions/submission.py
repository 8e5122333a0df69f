"""Read what a student handed in: bytes from a stranger, in; a `Submission` or a clear error, out.

Nothing is followed out of the folder, nothing is believed but the cells' text and which of the
master's cells they say they are. Everything else about a cell comes from the master.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import os
import re
import stat
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.course.assignment import Assignment, Kind, MasterCell

MAX_FILE_BYTES = 100 * 2**20
MAX_JSON_VALUES = 4_000_000
MAX_CELLS = 3000
MAX_CELL_CHARS = 2**20
MAX_NOTEBOOK_CHARS = 8 * 2**20
MAX_PICTURE_BYTES = 2 * 2**20
MAX_PICTURE_PIXELS = 2**24  # what a page takes memory for
MAX_PICTURES_BYTES = 8 * 2**20
MAX_PICTURES = 200
_JSON_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # possessive: in linear time
_PNG = b"\x89PNG\r\n\x1a\n"
_RESAVE = "ask the student to open it in JupyterLab, save it and submit it again; no grade changed"


class SubmissionError(Exception):
    """A submission that cannot be graded. The message is one line: what is wrong, what to do."""


class NotebookMissing(SubmissionError):  # noqa: N818 - named after the situation, as the others
    """The folder has no notebook of the assignment's name."""


class UnsafeFile(SubmissionError):  # noqa: N818
    """The notebook is a link, a folder, a pipe: anything but a plain file in its folder."""


class TooLarge(SubmissionError):  # noqa: N818
    """More bytes, cells or text than a notebook may have."""


class NotANotebook(SubmissionError):  # noqa: N818
    """Not JSON, or JSON that is not a notebook."""


@dataclass(frozen=True)
class Cell:
    """One cell of the notebook that is graded, in the submission's order.

    kind: the master's, or "added" for a student's own code cell, "text" for Markdown. master: the
    master's cell, None for the student's own. source: what is run or shown. pictures: PNG in
    base64, of an experiment as the student ran it, or in a text that the student wrote. trusted:
    the text is the master's own.
    """

    kind: Kind | str
    source: str
    grade_id: str | None = None
    pictures: tuple[str, ...] = ()
    trusted: bool = False
    cell_type: str = "code"


@dataclass(frozen=True)
class Submission:
    """A submission, sanitised and matched with the master. Immutable and picklable.

    notes: what staff should know, one line each. digest: SHA-256 of the notebook's file.
    """

    cells: tuple[Cell, ...]
    notes: tuple[str, ...]
    digest: str


def read_submission(folder: Path, assignment: Assignment) -> Submission:
    """Read the assignment's notebook from a submission's folder.

    Raises SubmissionError, one of its subclasses.
    """
    data = _read_file(folder, f"{assignment.notebook}.ipynb")
    digest = hashlib.sha256(data).hexdigest()
    cells, notes = _Matcher(assignment).match(_parse(data, f"{assignment.notebook}.ipynb"))
    return Submission(tuple(cells), tuple(notes), digest)


# --- the file -------------------------------------------------------------------------------------


def read_plain_file(folder: Path, name: str, limit: int) -> bytes | None:
    """The bytes of a plain file in the folder, no link followed; None where there is none.

    Raises UnsafeFile and TooLarge.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        above = os.open(folder.parent, flags | os.O_DIRECTORY)
        try:
            parent = os.open(folder.name, flags | os.O_DIRECTORY, dir_fd=above)
        finally:
            os.close(above)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR}:
            raise UnsafeFile(f"{folder} is not a folder but a link or a file: {_LOOK}") from None
        reason = os.strerror(error.errno or 0)
        raise SubmissionError(f"{folder} cannot be read ({reason})") from None
    try:
        descriptor = os.open(name, flags | os.O_NONBLOCK, dir_fd=parent)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnsafeFile(f"{name} is a symbolic link: {_LOOK}") from None
        raise SubmissionError(f"{name} cannot be read ({os.strerror(error.errno or 0)})") from None
    finally:
        os.close(parent)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise UnsafeFile(f"{name} is not a plain file: {_LOOK}")
    with open(descriptor, "rb") as file:
        if status.st_size > limit:
            raise TooLarge(
                f"{name} has {status.st_size / 2**20:.0f} MB, at most {limit / 2**20:.0f} MB are "
                "read: ask the student to clear its outputs and submit again; no grade changed"
            )
        return file.read(limit)


_LOOK = "look at the folder before anything else; it was not followed and no grade changed"


def _read_file(folder: Path, name: str) -> bytes:
    data = read_plain_file(folder, name, MAX_FILE_BYTES)
    if data is None:
        others = sorted(path.name for path in folder.iterdir())[:5]
        found = f" (found: {', '.join(map(_one_line, others))})" if others else ""
        raise NotebookMissing(
            f"{name} is missing{found}: ask the student to submit it under this name"
        )
    return data


# --- the JSON -------------------------------------------------------------------------------------


def _parse(data: bytes, name: str) -> list[dict[str, Any]]:
    """The raw cells of any notebook format, as dicts with a text as `source`."""
    if not data.strip(b"\0 \t\r\n"):
        raise NotANotebook(f"{name} is empty: {_RESAVE}")
    try:
        text = data.decode(json.detect_encoding(data))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise NotANotebook(f"{name} is not in UTF-8 (line {line}): {_RESAVE}") from None
    if len(text) > MAX_JSON_VALUES:  # each value takes up to a hundred bytes of memory
        bare = _JSON_STRING.sub("", text)
        if sum(map(bare.count, "{[,")) > MAX_JSON_VALUES:
            raise TooLarge(
                f"{name} has more values than a notebook may have: ask the student to clear its "
                "outputs and submit again; no grade changed"
            )
    try:
        notebook = json.loads(text.removeprefix("\ufeff"), parse_int=_bounded_int)
    except json.JSONDecodeError as error:
        raise NotANotebook(f"{name} is not valid JSON (line {error.lineno}): {_RESAVE}") from None
    except RecursionError:
        raise NotANotebook(f"{name} is nested too deeply to be a notebook: {_RESAVE}") from None
    cells = _cells_of(notebook)
    if cells is None:
        raise NotANotebook(f"{name} is JSON, but not a notebook: {_RESAVE}")
    if len(cells) > MAX_CELLS:
        raise TooLarge(
            f"{name} has {len(cells)} cells, at most {MAX_CELLS} are graded: ask the student to "
            "delete their extra cells; no grade changed"
        )
    read = [_raw_cell(cell) for cell in cells if isinstance(cell, dict)]
    if sum(len(cell["source"]) for cell in read) > MAX_NOTEBOOK_CHARS:
        raise TooLarge(f"{name} has more text than a notebook may have; no grade changed")
    if not read:
        raise NotANotebook(f"{name} has no cells: {_RESAVE}")
    return read


def _bounded_int(digits: str) -> int:
    return int(digits) if len(digits) < 20 else 0


def _cells_of(notebook: Any) -> list[Any] | None:
    if not isinstance(notebook, dict):
        return None
    cells = notebook.get("cells")
    if cells is None and isinstance(sheets := notebook.get("worksheets"), list):  # nbformat 3
        cells = [cell for sheet in sheets if isinstance(sheet, dict)
                 for cell in _list(sheet.get("cells"))]  # fmt: skip
    return cells if isinstance(cells, list) else None


def _raw_cell(cell: dict[str, Any]) -> dict[str, Any]:
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str):
        source = ""
    source = source.encode("utf-8", "replace").decode()[:MAX_CELL_CHARS]
    metadata = cell.get("metadata")
    nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    attachments = cell.get("attachments")
    return {
        "type": "code" if cell.get("cell_type") == "code" else "markdown",
        "source": source,
        "grade_id": grade_id if isinstance(grade_id, str) else None,
        "outputs": _list(cell.get("outputs")),
        "attachments": list(attachments.values()) if isinstance(attachments, dict) else [],
    }


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


# --- the master's cells ---------------------------------------------------------------------------


class _Matcher:
    """Finds the master's cells in a submission and decides what stands in the graded notebook."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._pictures_left, self._picture_bytes_left = MAX_PICTURES, MAX_PICTURES_BYTES
        self._left_out = 0
        self._notes: list[str] = []
        self._last_parts: dict[str, Cell] = {}  # of what the student split or pasted again

    def match(self, raw: list[dict[str, Any]]) -> tuple[list[Cell], list[str]]:
        last = {cell["grade_id"]: i for i, cell in enumerate(raw)}
        seen: set[str] = set()
        cells = []
        for i, cell in enumerate(raw):
            master = self._assignment.by_id.get(cell["grade_id"] or "")
            if master is not None and master.kind == "check" and last[master.grade_id] != i:
                self._note(f"{master.grade_id} is there more than once; the last one counts")
                master = None  # a copy is the student's own cell
            elif master is not None and master.grade_id in seen:
                self._note(f"{master.grade_id} is there more than once")
                if master.kind in {"solution", "answer"}:  # a copy of others shows nothing new
                    self._last_parts[master.grade_id] = self._own(cell)
                    cells.append(self._last_parts[master.grade_id])
                continue
            if master is None:
                cells.append(self._own(cell))
            else:
                seen.add(master.grade_id)
                known = self._known(cell, master)
                own = [self._own(cell)] if self._was_changed(cell, master) else []
                cells += [*own, known] if master.kind == "check" else [known, *own]
        if self._left_out:
            self._note(
                f"attached pictures left out: {self._left_out} (only PNG pictures of at most "
                f"{MAX_PICTURE_BYTES // 2**20} MB each are shown)"
            )
        return self._with_missing(cells), self._notes

    def _own(self, cell: dict[str, Any]) -> Cell:
        if cell["type"] == "code":
            return Cell("added", cell["source"])
        trusted = cell["source"] in self._assignment.texts
        pictures = () if trusted else self._attached(cell)
        return Cell("text", cell["source"], None, pictures, trusted, "markdown")

    def _known(self, cell: dict[str, Any], master: MasterCell) -> Cell:
        if cell["type"] != master.cell_type and not (
            cell["type"] == "markdown" and master.cell_type == "raw"
        ):
            self._note(f"{master.grade_id} was turned into a {cell['type']} cell")
        if master.kind in {"solution", "answer"}:
            source, trusted = cell["source"], False
        else:
            source, trusted = master.visible if master.kind == "check" else master.source, True
        pictures: tuple[str, ...] = ()
        if master.kind == "experiment":
            outputs = (output for output in cell["outputs"] if isinstance(output, dict))
            pictures = tuple(self._pictures(output.get("data") for output in outputs))
        elif master.kind == "answer":
            pictures = self._attached(cell)
        return Cell(master.kind, source, master.grade_id, pictures, trusted, master.cell_type)

    def _was_changed(self, cell: dict[str, Any], master: MasterCell) -> bool:
        """Whether a read-only cell was: then what is in it is the student's own too.

        A solution may have been written into a check, an import into a given cell, an answer into
        a question.
        """
        known = {master.visible.strip(), master.source.strip()}
        if master.kind in {"solution", "answer", "experiment"} or cell["source"].strip() in known:
            return False
        self._note(f"{master.grade_id} was changed; the course's own text counts")
        return bool(cell["source"].strip())

    def _with_missing(self, cells: list[Cell]) -> list[Cell]:
        """Put missing checks and tasks after the cell that precedes them in the master.

        Where that was split, after its last part.

        Where that is a solution cell that is missing too, its code may be in any of the student's
        own cells, so they come after all of them.
        """
        place = {cell.grade_id: i for i, cell in enumerate(cells) if cell.grade_id is not None}
        after = -1
        for master in self._assignment.cells:
            if master.grade_id in place:
                last = self._last_parts.get(master.grade_id)
                after = max(
                    i
                    for i, cell in enumerate(cells)
                    if cell.grade_id == master.grade_id or cell is last
                )
            elif master.kind in {"check", "task"}:
                self._note(f"{master.grade_id} was missing")
                source = master.visible if master.kind == "check" else master.source
                new = Cell(master.kind, source, master.grade_id, (), True, master.cell_type)
                after += 1
                cells.insert(after, new)
            elif master.kind in {"solution", "answer"}:
                self._note(f"{master.grade_id} was missing")
                after = len(cells) - 1
        return cells

    def _attached(self, cell: dict[str, Any]) -> tuple[str, ...]:
        """The pictures in a text that the student wrote, without their names."""
        pictures = tuple(self._pictures(cell["attachments"]))
        self._left_out += len(cell["attachments"]) - len(pictures)
        return pictures

    def _pictures(self, bundles: Iterable[Any]) -> Iterator[str]:
        """The PNG pictures among contents by MIME type, as many as a submission may have."""
        for data in bundles:
            encoded = data.get("image/png") if isinstance(data, dict) else None
            if isinstance(encoded, list):
                encoded = "".join(part for part in encoded if isinstance(part, str))
            if not self._pictures_left or not isinstance(encoded, str):
                continue
            picture = clean_png(encoded)
            if picture and len(picture) <= self._picture_bytes_left:
                self._pictures_left -= 1
                self._picture_bytes_left -= len(picture)
                yield picture

    def _note(self, note: str) -> None:
        if note not in self._notes and len(self._notes) < 200:
            self._notes.append(note)


def clean_png(encoded: str) -> str | None:
    """A picture in base64, encoded anew; None for what is not a PNG of reasonable size."""
    try:
        data = base64.b64decode(encoded)
    except ValueError:
        return None
    if not 24 <= len(data) <= MAX_PICTURE_BYTES:
        return None
    if not data.startswith(_PNG) or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", data[16:24])
    if not (0 < width <= 8192 and 0 < height <= 8192 and width * height <= MAX_PICTURE_PIXELS):
        return None
    return base64.b64encode(data).decode()


def _one_line(text: str) -> str:
    return re.sub(r"[^\w .,()\[\]{}+=@#-]", "?", text)[:100]
