"""A course in a temporary folder, as an instructor has it after a checkout."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader.api import Gradebook

from grader.course.classroom import Classroom, solutions

ROOT = Path(__file__).resolve().parents[2]
ASSIGNMENT = "10_compression"
NOTEBOOK = "compression_dev.ipynb"
SKETCH = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
"""A picture of one pixel, PNG in base64."""


@dataclass(frozen=True)
class Course:
    """A copy of the course with an exchange, a home and a gradebook of its own."""

    folder: Path

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run `python -m` something from the course's folder, as in a shell."""
        environment = os.environ | {
            "HOME": str(self.folder.parent),
            "JUPYTER_DATA_DIR": str(self.folder.parent / "jupyter"),
            "PATH": "/usr/bin:/bin",  # nothing was activated
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=cwd or self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def nbgrader(self, *arguments: str) -> str:
        """Run an nbgrader command that must succeed; what it printed."""
        result = self.run("nbgrader", *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout + result.stderr

    def notebook(self, step: str) -> NotebookNode:
        """The assignment's notebook in source/ or release/."""
        return read(self.folder / step / ASSIGNMENT / NOTEBOOK)

    def hand_in(self, student: str, notebook: NotebookNode, timestamp: str = "") -> None:
        """Put a notebook where `nbgrader collect` would."""
        path = self.folder / "submitted" / student / ASSIGNMENT / NOTEBOOK
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
        if timestamp:
            (path.parent / "timestamp.txt").write_text(timestamp)

    def reference(self) -> NotebookNode:
        """The release with the master notebook's solutions in it, as a perfect student has it."""
        answers = solutions(self.notebook("source"))
        return Classroom(self.notebook("release"), [answers], {}).write(answers)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def new_course(folder: Path) -> Course:
    """A fresh checkout, as far as nbgrader is concerned."""
    folder.mkdir()
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    for part in ("source", "release"):
        shutil.copytree(
            ROOT / part, folder / part, ignore=shutil.ignore_patterns(".ipynb_checkpoints")
        )
    return Course(folder)


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course whose assignment was generated; do not change it."""
    course = new_course(tmp_path_factory.mktemp("released") / "course")
    course.nbgrader("generate_assignment", ASSIGNMENT)
    return course


@pytest.fixture(scope="session")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course with three students, graded and fed back; do not change it.

    The late one has attached a picture to a written answer.
    """
    course = new_course(tmp_path_factory.mktemp("graded") / "course")
    course.nbgrader("generate_assignment", ASSIGNMENT)
    course.hand_in("reference", course.reference())
    course.hand_in("untouched", course.notebook("release"))
    sketched = course.reference()
    sketched.cells.append(new_markdown_cell("As in ![my sketch](attachment:image.png)"))
    sketched.cells[-1].attachments = {"image.png": {"image/png": SKETCH}}
    course.hand_in("late", sketched, "2030-01-02 00:00:00 UTC")
    with Gradebook(f"sqlite:///{course.folder}/gradebook.db") as book:
        book.update_or_create_assignment(ASSIGNMENT, duedate="2030-01-01 00:00:00 UTC")
    course.nbgrader("autograde", ASSIGNMENT)
    course.nbgrader("generate_feedback", ASSIGNMENT)
    return course
