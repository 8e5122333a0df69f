"""A course that takes a moment to grade, and `grader` run on it in a process of its own."""

from __future__ import annotations

import contextlib
import ctypes
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.apps import NbGraderAPI
from stock_course import _metadata
from traitlets.config.loader import PyFileConfigLoader

from grader.cli import GraderApp

ASSIGNMENT, NOTEBOOK = "mini", "mini"
CONFIG = """
from grader.plugins.autograde import use_wall
c = get_config()
c.CourseDirectory.course_id = "mini"
c.CourseDirectory.root = {root!r}
c.CourseDirectory.db_url = {db_url!r}
c.CourseDirectory.ignore = [".grading.json"]
c.Exchange.root = {exchange!r}
c.ExchangeCollect.check_owner = False
c.LateSubmissionPlugin.penalty_method = "zero"
c.ClearMarkScheme.begin_mark_scheme_delimeter = "BEGIN KEY"
c.ClearMarkScheme.end_mark_scheme_delimeter = "END KEY"
c.GenerateFeedback.exporter_class = "grader.feedback.exporter.FeedbackExporter"
c.Autograde.limits = {{"check_seconds": 1.0, "submission_seconds": 20.0}}
use_wall(c)
"""
GOOD = {"double": "def double(x):\n    return 2 * x", "total": "def total(xs):\n    return sum(xs)"}
WRONG = GOOD | {"double": "def double(x):\n    return 4"}
LOOPING = GOOD | {"total": "def total(xs):\n    while True:\n        pass"}
RAISING = GOOD | {"double": "def double(x):\n    raise LookupError('mine')"}


def master() -> nbformat.NotebookNode:
    """Two functions, three checks, one of them hidden, and a task."""
    hidden = "### BEGIN HIDDEN TESTS\n{}\n### END HIDDEN TESTS"
    cells = [
        new_code_cell("import numpy as np", metadata=_metadata("imports", locked=True)),
        new_code_cell(_solution("double"), metadata=_metadata("double", solution=True)),
        _check("test_double", 2, "assert double(2) == 4, 'double(2) is 4'"),
        _check("test_double-hidden", 3, hidden.format("assert double(21) == 42, 'secret token'")),
        new_code_cell(_solution("total"), metadata=_metadata("total", solution=True)),
        _check("test_total", 4, "assert total([1, 2, 3]) == 6"),
        new_markdown_cell(
            "Explain below.\n\n=== BEGIN KEY ===\nmodel answer\n=== END KEY ===\nIn short.",
            metadata=_metadata("explain", locked=True, task=True, points=5),
        ),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _check(name: str, points: int, source: str) -> nbformat.NotebookNode:
    return new_code_cell(source, metadata=_metadata(name, grade=True, locked=True, points=points))


def _solution(name: str) -> str:
    head, body = GOOD[name].split("\n")
    return f"{head}\n    ### BEGIN SOLUTION\n{body}\n    ### END SOLUTION"


class MiniCourse:
    """A course folder with a released assignment."""

    def __init__(self, root: Path, db_url: str = "") -> None:
        self.root = root
        self.db_url = db_url or f"sqlite:///{root}/gradebook.db"

    def create(self) -> MiniCourse:
        """Write the course and generate the assignment."""
        source = self.root / "source" / ASSIGNMENT
        source.mkdir(parents=True)
        nbformat.write(master(), source / f"{NOTEBOOK}.ipynb")
        (source / "data.txt").write_text("given")
        self.configure()
        result = self.api().generate_assignment(ASSIGNMENT)
        assert result["success"], result
        return self

    def configure(self) -> None:
        """Write nbgrader_config.py."""
        exchange = self.root / "exchange"
        (exchange / "mini" / "inbound").mkdir(parents=True, exist_ok=True)
        text = CONFIG.format(root=str(self.root), db_url=self.db_url, exchange=str(exchange))
        (self.root / "nbgrader_config.py").write_text(text)

    def copy(self, root: Path) -> MiniCourse:
        """The same course in another folder."""
        shutil.copytree(self.root, root)
        copy = MiniCourse(root)
        copy.configure()
        return copy

    def api(self) -> NbGraderAPI:
        """nbgrader, with this course's configuration."""
        loader = PyFileConfigLoader("nbgrader_config.py", path=str(self.root))
        return NbGraderAPI(config=loader.load_config())

    def submitted(self, student: str) -> Path:
        return self.root / "submitted" / student / ASSIGNMENT

    def notebook(self, answers: dict[str, str], more: str = "") -> bytes:
        """The release with these answers, as a file."""
        path = self.root / "release" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            answer = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
            cell.source = answer or cell.source
        if more:
            notebook.cells.append(new_markdown_cell(more, id="more"))
        return nbformat.writes(notebook).encode()

    def submit(
        self, student: str, answers: dict[str, str], more: str = "", when: str = "2029-01-01"
    ) -> None:
        """Put a submission where `nbgrader collect` does."""
        folder = self.submitted(student)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{NOTEBOOK}.ipynb").write_bytes(self.notebook(answers, more))
        (folder / "timestamp.txt").write_text(f"{when} 12:00:00 UTC")
        (folder / "submission_secret.txt").write_text(f"secret of {student}")

    def start(self, *arguments: str) -> BaseProcess:
        """`grader` with these arguments, in a process that has imported everything already."""
        process = multiprocessing.get_context("fork").Process(
            target=_run, args=(self.root, list(arguments))
        )
        process.start()
        return process

    def run(self, *arguments: str) -> tuple[int, str]:
        """`grader` to its end: exit code and output."""
        process = self.start(*arguments)
        process.join(120)
        assert process.exitcode is not None
        return process.exitcode, self.output()

    def output(self) -> str:
        return (self.root / "output.txt").read_text()

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The log's events of one kind."""
        lines = (self.root / "grader.log").read_text().splitlines()
        found = (json.loads(line) for line in lines if line.startswith("{") and line.endswith("}"))
        return [event for event in found if event["event"] == kind]

    def files(self, *steps: str) -> dict[str, bytes]:
        """Everything in the autograded and feedback folders."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for step in steps or ("autograded", "feedback")
            for path in sorted((self.root / step).rglob("*"))
            if path.is_file()
        }


def _run(root: Path, arguments: list[str]) -> None:
    os.chdir(root)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code: object = 1
    try:
        GraderApp.clear_instance()
        GraderApp.launch_instance(argv=arguments)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 1)


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                status = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
                children.setdefault(int(status[1]), []).append(int(entry))
    found, queue = {pid}, [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            found.add(child)
            queue.append(child)
    return found


def wait_until_gone(pids: set[int], seconds: float = 10.0) -> set[int]:
    """Those of the processes that are still there after so long."""
    end = time.monotonic() + seconds
    while (left := set(_alive(pids))) and time.monotonic() < end:
        time.sleep(0.02)
    return left


def _alive(pids: set[int]) -> Iterator[int]:
    for pid in pids:
        with contextlib.suppress(OSError):
            if Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                yield pid


_CAPABILITIES_V3 = 0x20080522
_ANY_FILE = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


@contextlib.contextmanager
def as_an_ordinary_user() -> Iterator[None]:
    """Permissions of files hold for this thread and what it starts, also for root."""
    system = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    assert system.capget(header, data) == 0
    before = data[0]
    data[0] = before & ~_ANY_FILE
    assert system.capset(header, data) == 0
    try:
        yield
    finally:
        data[0] = before
        assert system.capset(header, data) == 0
