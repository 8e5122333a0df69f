"""The page that a student gets: own work, points, messages, comments; never the hidden tests or
a question's mark scheme.

One function makes it, for `grader run` and, as nbgrader's exporter, for `nbgrader
generate_feedback`. What comes from a submission is shown as text: raw HTML in Markdown is
escaped, of outputs only text and pictures are shown. nbgrader's own page takes ten times as long,
most of it for highlighting the same given cells in every submission and for parsing the finished
page again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
import pygments  # type: ignore[import-untyped]
from markupsafe import Markup
from nbconvert.filters import ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

from grader.engine.gradebook import Sheet
from grader.engine.record import RECEIPT
from grader.submissions import folders

TEMPLATES = Path(__file__).parent / "templates"
PICTURES = ("image/png", "image/jpeg")
HEADINGS = {"test": "Test", "answer": "Your answer", "task": "Task"}


@dataclass(frozen=True, slots=True)
class _Cell:
    kind: str
    id: str
    heading: str
    code: bool
    source: Markup
    outputs: list[Markup]
    score: float | None
    points: float | None
    comment: Markup | None
    message: str
    waits: bool

    @property
    def lost(self) -> bool:
        return (
            not self.waits
            and self.points is not None
            and self.score is not None
            and self.score < self.points
        )


def page(
    notebook: Mapping[str, Any], name: str, sheet: Sheet, shown: Mapping[str, str] | None = None
) -> str:
    """The feedback page of one executed notebook (nbformat 4, as a dict), as HTML.

    name: the notebook's. sheet: the student's standing. shown: sources to show in place of those
    in the notebook, by grade_id.
    """
    cells = [_cell(cell, sheet, shown or {}) for cell in notebook["cells"]]
    return _template().render(name=name, sheet=sheet, cells=cells, highlight_css=_highlight_css())


def page_digest(
    autograded: Path, sheets: Mapping[str, Sheet], shown: Mapping[str, Mapping[str, str]]
) -> str:
    """A hash of all that a student's feedback folder is made from; the last two by notebook."""
    total = hashlib.sha256(_version())
    total.update(json.dumps({name: dict(of) for name, of in shown.items()}).encode())
    for name, path in _files(autograded).items():
        total.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    for name, sheet in sorted(sheets.items()):
        total.update(json.dumps([name, asdict(sheet)], sort_keys=True).encode())
    return total.hexdigest()


def is_current(place: Path, digest: str) -> bool:
    """Whether the feedback folder holds the pages of this digest."""
    try:
        return bool(json.loads((place / RECEIPT).read_bytes()).get("pages") == digest)
    except (FileNotFoundError, NotADirectoryError, ValueError, AttributeError):
        return False


def write_pages(
    place: Path,
    autograded: Path,
    pages: Mapping[str, bytes],
    digest: str,
    *,
    mode: int = 0o644,
    group_shared: bool = False,
) -> None:
    """Put a student's pages, and the files that nbgrader puts beside them, into a folder.

    The folder is there completely or not at all. Raises OSError where it cannot be written.
    """
    files = {
        name: path.read_bytes()
        for name, path in _files(autograded).items()
        if path.suffix != ".ipynb"
    }
    files |= {f"{name}.html": text for name, text in pages.items()}
    files[RECEIPT] = json.dumps({"pages": digest}).encode() + b"\n"
    folders.write(place, files, mode, group_shared)
    folders.place_staged(place)


def _files(autograded: Path) -> dict[str, Path]:
    """The results in an autograded folder, by path in it; the receipt is about them."""
    return {
        str(path.relative_to(autograded)): path
        for path in sorted(autograded.rglob("*"))
        if path.is_file() and path.name != RECEIPT
    }


def _cell(cell: Mapping[str, Any], sheet: Sheet, shown: Mapping[str, str]) -> _Cell:
    known = cell["metadata"].get("nbgrader", {})
    kind = _kind(known)
    id = known.get("grade_id", "") if kind else ""
    score, points = sheet.scores.get(id, (None, None))
    comment = sheet.comments.get(id)
    source = shown.get(id, _text(cell["source"]))
    return _Cell(
        kind={"test": "graded", "task": "graded"}.get(kind, kind or "given"),
        id=id,
        heading=HEADINGS.get(kind, ""),
        code=cell["cell_type"] == "code",
        source=_source(cell, source),
        outputs=[_output(output) for output in cell.get("outputs", [])],
        score=score,
        points=points,
        comment=_markdown(comment) if comment else None,
        message=_message(cell) if kind == "test" else "",
        waits=id in sheet.waiting,
    )


def _source(cell: Mapping[str, Any], text: str) -> Markup:
    if cell["cell_type"] == "code":
        return _highlight(text)
    attachments = cell.get("attachments")
    return _rendered(text, attachments) if attachments else _markdown(text)


def _message(cell: Mapping[str, Any]) -> str:
    """What a check says of a property that does not hold, for the overview; else nothing."""
    errors = (o for o in cell.get("outputs", []) if o["output_type"] == "error")
    return " ".join(next((str(error["evalue"]) for error in errors), "").split())


def _kind(known: Mapping[str, Any]) -> str:
    if known.get("task"):
        return "task"
    if known.get("solution"):
        return "answer"
    return "test" if known.get("grade") else ""


def _output(output: Mapping[str, Any]) -> Markup:
    kind = output["output_type"]
    if kind == "stream":
        return _pre(_text(output["text"]))
    if kind == "error":
        return _pre("\n".join(output["traceback"]))
    data = output["data"]
    for mime in PICTURES:
        picture = re.sub(r"\s", "", _text(data.get(mime, "")))
        if picture and re.fullmatch(r"[A-Za-z0-9+/=]+", picture):
            return Markup('<img alt="output of this cell" src="data:{};base64,{}">').format(
                mime, picture
            )
    if "text/markdown" in data:
        return _markdown(_text(data["text/markdown"]))
    return _pre(_text(data.get("text/plain", "")))


def _pre(text: str) -> Markup:
    return Markup("<pre>{}</pre>").format(Markup(ansi2html(text)))  # type: ignore[no-untyped-call]


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


@functools.lru_cache(maxsize=1024)
def _markdown(text: str) -> Markup:
    return _rendered(text, {})


def _rendered(text: str, attachments: dict[str, Any]) -> Markup:
    """Markdown as HTML; attachments: the pictures in it, too large to be kept for other pages.

    The wall lets only the course's own pass, and a student's as PNG.
    """
    renderer = IPythonRenderer(escape=True, allow_harmful_protocols=False, attachments=attachments)
    return Markup(MarkdownWithMath(renderer=renderer).render(text))


@functools.lru_cache(maxsize=1024)
def _highlight(source: str) -> Markup:
    return Markup(pygments.highlight(source, PythonLexer(), HtmlFormatter()))


@functools.cache
def _highlight_css() -> str:
    return str(HtmlFormatter().get_style_defs(".highlight"))


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True
    )
    environment.filters["points"] = lambda value: f"{value or 0:.4g}"
    return environment.get_template("feedback.html.j2")


@functools.cache
def _version() -> bytes:
    return Path(__file__).read_bytes() + (TEMPLATES / "feedback.html.j2").read_bytes()
