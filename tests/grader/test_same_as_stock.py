"""The demonstration's class, by stock nbgrader without the wall and by `grader run`: one result."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from mini_course import MiniCourse
from stock_course import sqlite_rows

from grader.course.classroom import Classroom
from grader.course.demo import ASSIGNMENT, COURSE, NOTEBOOK, demo_class, hand_in, prepare

STORIES = ("all right", "half finished", "a syntax error")
MISTAKES = 1
"""How many of those with one mistake are graded; the other stories end a stock kernel."""


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with a part of the demonstration's class, nothing graded."""
    root = tmp_path_factory.mktemp("demo") / "course"
    result = prepare(root).generate_assignment(ASSIGNMENT)
    assert result["success"], result
    release, source = (
        nbformat.read(root / step / ASSIGNMENT / f"{NOTEBOOK}.ipynb", as_version=4)
        for step in ("release", "source")
    )
    made = demo_class(Classroom.open(release, source, COURSE / "tests" / "module"))
    mistaken = [s for s in made if s.story not in STORIES and not s.story.startswith("a")]
    hand_in([s for s in made if s.story in STORIES] + mistaken[:MISTAKES], root)
    return root


STOCK = """
import sys
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config
config = Config()
config.CourseDirectory.root = sys.argv[1]
config.CourseDirectory.ignore = ["*_dev.py"]
config.Execute.skip_cells_with_tag = "experiment"
result = NbGraderAPI(config=config).autograde("10_compression", "*")
sys.exit(None if result["success"] else result["log"])
"""


def by_stock_nbgrader(root: Path) -> None:
    """Autograde everything in kernels, tests and student code together, as nbgrader is."""
    done = subprocess.run(
        [sys.executable, "-c", STOCK, str(root)],
        env={**os.environ, "PYTHONPATH": str(COURSE)},  # for the kernels: tinytorch
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_gradebook_is_the_same_row_by_row(released: Path, tmp_path: Path) -> None:
    shutil.copytree(released, tmp_path / "stock")
    by_stock_nbgrader(tmp_path / "stock")
    shutil.copytree(released, tmp_path / "ours")
    code, output = MiniCourse(tmp_path / "ours").run("run", ASSIGNMENT)
    assert code == 0, output
    theirs = sqlite_rows(tmp_path / "stock" / "gradebook.db")
    ours = sqlite_rows(tmp_path / "ours" / "gradebook.db")
    for table, found in theirs.items():
        assert ours[table] == found
    assert len(theirs["submission"]) == len(STORIES) + MISTAKES
