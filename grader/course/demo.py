"""The demonstration: a made-up class of twelve, released, graded and fed back through nbgrader.

It has a course folder of its own, made afresh each time, and never touches the instructor's
gradebook or submissions.
"""

import argparse
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import MissingEntry
from nbgrader.apps import NbGraderAPI
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from traitlets.config.loader import PyFileConfigLoader

from grader.course.classroom import BREAKAGES, Classroom, ClassroomError, Submission

COURSE = Path(__file__).resolve().parents[2]
ASSIGNMENT = "10_compression"
NOTEBOOK = "compression_dev"
MARK = ".made-by-the-demonstration"

# One typical mistake for each step: the file in tests/module/chaffs, and its story in the table.
MISTAKES = {
    "metrics_kilobyte_of_1000": "1000 bytes a KB",
    "magnitude_prunes_largest": "prunes the largest",
    "quantization_grid_misses_zero": "the grid misses 0",
    "distillation_no_temperature_squared": "no T squared",
    "neurons_model_next_inputs_not_cut": "next layer not cut",
    "comparison_techniques_pile_up": "techniques pile up",
}


@dataclass(frozen=True)
class Row:
    """What one student got: points by test group, or why there are none."""

    submission: Submission
    points: dict[str, float]
    trouble: str = ""


class DemoError(Exception):
    """The demonstration cannot run; the message says what to do."""


def demo_class(classroom: Classroom) -> list[Submission]:
    """All right; one mistake in each of the six steps; half finished and four ways to be broken."""
    reference = classroom.styles[0]
    works = [("all right", reference)]
    works += [(story, classroom.mistaken(mistake)) for mistake, story in MISTAKES.items()]
    works += [(story, change(reference)) for story, change in BREAKAGES.items()]
    return [
        Submission(f"made-up-{number:02d}", story, classroom.write(answers))
        for number, (story, answers) in enumerate(works, 1)
    ]


def prepare(folder: Path) -> NbGraderAPI:
    """An empty course folder with this course's source and configuration; nbgrader's API to it."""
    if folder.exists() and not (folder / MARK).exists():
        raise DemoError(f"{folder} was not made by the demonstration: move it or name another")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / MARK).touch()
        shutil.copy(COURSE / "nbgrader_config.py", folder)
        shutil.copytree(COURSE / "source", folder / "source")
    except OSError as error:
        raise DemoError(f"cannot write {error.filename}: {error.strerror}") from error
    config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    # long enough to recognise an endless loop
    config.WalledAutograde.limits = {"check_seconds": 3.0}
    return NbGraderAPI(config=config)


def hand_in(submissions: Iterable[Submission], folder: Path) -> None:
    """Put notebooks where `nbgrader collect` would."""
    for submission in submissions:
        home = folder / "submitted" / submission.student / ASSIGNMENT
        home.mkdir(parents=True)
        nbformat.write(submission.notebook, home / f"{NOTEBOOK}.ipynb")
        (home / "timestamp.txt").write_text("2030-01-15 12:00:00 UTC", encoding="utf-8")


def grade(api: NbGraderAPI, submission: Submission) -> Row:
    """Autograde one submission and make its feedback; trouble with it stays with it."""
    result = api.autograde(ASSIGNMENT, submission.student)
    if not result["success"]:
        return Row(submission, {}, _reason(result))
    result = api.generate_feedback(ASSIGNMENT, submission.student)
    trouble = "" if result["success"] else _reason(result)
    return Row(submission, _points(api, submission.student), trouble)


def _reason(result: dict[str, Any]) -> str:
    """The last error in nbgrader's log that names an exception, or else the first one."""
    lines = [line.strip() for line in result.get("log", "").splitlines()]
    named = [line for line in lines if "Error: " in line or "Exception: " in line]
    errors = [line for line in lines if line.startswith("[ERROR] ")]
    return str([*named[-1:], *errors[:1], result["error"]][0]).removeprefix("[ERROR] ")


def _points(api: NbGraderAPI, student: str) -> dict[str, float]:
    with api.gradebook as gradebook:
        try:
            notebook = gradebook.find_submission_notebook(NOTEBOOK, ASSIGNMENT, student)
        except MissingEntry:
            return {}
        points: dict[str, float] = {}
        for cell in notebook.grades:
            if cell.name.startswith("test_"):
                group = cell.name.split("-")[0]
                points[group] = points.get(group, 0.0) + (cell.auto_score or 0.0)
        return points


def _maximum(api: NbGraderAPI) -> dict[str, float]:
    """Most points by test group, in the notebook's order."""
    with api.gradebook as gradebook:
        cells = gradebook.find_notebook(NOTEBOOK, ASSIGNMENT).grade_cells
        points: dict[str, float] = {}
        for cell in cells:
            group = cell.name.split("-")[0]
            points[group] = points.get(group, 0.0) + cell.max_score
        return points


def report(rows: Iterable[Row], maximum: dict[str, float]) -> Table:
    """Students by test group; the groups are numbered as the steps are, and named below."""
    names = [group.removeprefix("test_").removesuffix("_comprehensive") for group in maximum]
    legend = ", ".join(f"{number} {name}" for number, name in enumerate(names, 1))
    table = Table(title="Points by test group", caption=legend.replace("_", " "), width=80)
    table.add_column("student", no_wrap=True)
    table.add_column("handed in")
    for number, most in enumerate(maximum.values(), 1):
        table.add_column(f"{number}\n/{most:g}", justify="right")
    table.add_column(f"all\n/{sum(maximum.values()):g}", justify="right", style="bold")
    for row in rows:
        numbers = [f"{row.points[group]:g}" if row.points else "-" for group in maximum]
        total = f"{sum(row.points.values()):g}" if row.points else "-"
        table.add_row(row.submission.student, row.submission.story, *numbers, total)
    return table


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[str], None]]:
    """A bar with the time left, or one line a step where the output is no terminal."""
    if not console.is_terminal:
        yield console.print
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        steps = iter(range(total))

        def step(description: str) -> None:
            progress.update(task, description=description, completed=next(steps))

        yield step


def run(folder: Path, console: Console) -> list[Row]:
    """Run the demonstration in `folder` and print what came out; raises DemoError."""
    console.print(f"Making a course in {folder}: source, release, a class of twelve")
    api = prepare(folder)
    released = api.generate_assignment(ASSIGNMENT)
    if not released["success"]:
        raise DemoError(f"the release cannot be made: {_reason(released)}")
    release, source = (
        nbformat.read(folder / step / ASSIGNMENT / f"{NOTEBOOK}.ipynb", as_version=4)
        for step in ("release", "source")
    )
    submissions = demo_class(Classroom.open(release, source, COURSE / "tests" / "module"))
    hand_in(submissions, folder)
    rows = []
    with _progress(console, len(submissions)) as step:
        for submission in submissions:
            step(f"grading {submission.student} ({submission.story})")
            rows.append(grade(api, submission))
    console.print(report(rows, _maximum(api)))
    for row in rows:
        if row.trouble:
            console.print(
                f"{row.submission.student}: {row.trouble}", highlight=False, soft_wrap=True
            )
    jupyter = os.path.relpath(Path(sys.prefix, "bin", "jupyter"), folder)
    console.print(
        "The two written answers, 10 points, wait to be graded by hand.\n"
        f"Feedback pages: {folder}/feedback/<student>/{ASSIGNMENT}/{NOTEBOOK}.html\n"
        f"In nbgrader's own pages: cd {folder} && {jupyter} lab, menu Nbgrader, Formgrader.",
        highlight=False,
        soft_wrap=True,
    )
    return rows


def main(argv: list[str] | None = None) -> int:
    """Grade a made-up class of twelve through nbgrader and show the result."""
    parser = argparse.ArgumentParser(prog="python -m grader.course.demo", description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="default: demo")
    arguments = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # those of nbgrader's libraries are not the reader's concern
    try:
        run(arguments.folder, Console())
    except (DemoError, ClassroomError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
