"""A made-up class in a course folder, and the same submissions graded by stock nbgrader."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from grader.course.classroom import Classroom, Submission, make_class
from grader.course.demo import ASSIGNMENT, COURSE, NOTEBOOK, hand_in, prepare

SLOW = "an endless loop"
"""The story of those who run into a time limit; they are timed apart."""

CHECK_SECONDS = 3


@dataclass(frozen=True)
class MadeClass:
    """A course folder with submissions, none graded. slow: those who run into a time limit."""

    root: Path
    students: list[str]
    slow: list[str]


def make(root: Path, count: int) -> MadeClass:
    """`count` submissions of the demonstration's kind, apart from those that are slow."""
    api = prepare(root)
    result = api.generate_assignment(ASSIGNMENT)
    if not result["success"]:
        raise RuntimeError(result["log"])
    release, source = (
        nbformat.read(root / step / ASSIGNMENT / f"{NOTEBOOK}.ipynb", as_version=4)
        for step in ("release", "source")
    )
    classroom = Classroom.open(release, source, COURSE / "tests" / "module")
    submissions: list[Submission] = make_class(classroom, count, seed=1)
    hand_in(submissions, root)
    slow = [s.student for s in submissions if s.story == SLOW]
    return MadeClass(root, [s.student for s in submissions if s.story != SLOW], slow)


def fresh(made: MadeClass, root: Path, students: list[str]) -> Path:
    """A copy of the course with some of its submissions, none graded."""
    shutil.rmtree(root, ignore_errors=True)
    unwanted = shutil.ignore_patterns("autograded", "feedback", "submitted", "*.log")
    shutil.copytree(made.root, root, ignore=unwanted)
    for student in students:
        shutil.copytree(made.root / "submitted" / student, root / "submitted" / student)
    return root


@dataclass(frozen=True)
class StockTimes:
    """CPU and wall seconds of stock nbgrader: before the first submission, then each."""

    start: float
    autograde: list[float]
    feedback: list[float]
    wall: list[float]


def stock(root: Path, students: list[str]) -> StockTimes:
    """Autograde and feedback by stock nbgrader, in one process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.class_course", str(root), *students],
        cwd=COURSE,
        env={**os.environ, "PYTHONPATH": str(COURSE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    return StockTimes(**json.loads(done.stdout.splitlines()[-1]))


def _stock_api(root: Path) -> NbGraderAPI:
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.ignore = ["*_dev.py", "*.pyc", "__pycache__", "feedback"]
    config.Execute.skip_cells_with_tag = "experiment"
    config.Execute.timeout = CHECK_SECONDS
    config.Execute.extra_arguments = ["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"]
    return NbGraderAPI(config=config)


def _cpu() -> float:
    times = os.times()
    return sum(times[:4])


def _time_stock(root: Path, students: list[str]) -> StockTimes:
    import time  # noqa: PLC0415

    api = _stock_api(root)
    start = _cpu()
    autograde, feedback, wall = [], [], []
    for student in students:
        began, now = time.perf_counter(), _cpu()
        api.autograde(ASSIGNMENT, student)
        middle = _cpu()
        api.generate_feedback(ASSIGNMENT, student)
        autograde.append(middle - now)
        feedback.append(_cpu() - middle)
        wall.append(time.perf_counter() - began)
    return StockTimes(start, autograde, feedback, wall)


if __name__ == "__main__":
    print(json.dumps(vars(_time_stock(Path(sys.argv[1]), sys.argv[2:]))))
