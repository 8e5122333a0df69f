"""The demonstration: a class of twelve, graded whatever is in it, also after it was interrupted."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbgrader.api import Gradebook

from grader.course import demo
from grader.course.classroom import Submission

from .conftest import ASSIGNMENT, ROOT

Scores = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "demo"


@pytest.fixture(scope="module")
def output(folder: Path) -> str:
    """What a demonstration prints that follows one which was killed half-way."""
    command = [sys.executable, "-u", "-m", "grader.course.demo", "--folder", str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as killed:
        assert killed.stdout
        for line in killed.stdout:
            if "made-up-02" in line:
                os.killpg(killed.pid, signal.SIGKILL)
                break
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=400, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def scores(output: str, folder: Path) -> Scores:
    """Points of the tests by student and group."""
    with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
        result: Scores = {}
        for student in book.students:
            notebook = book.find_submission_notebook("compression_dev", ASSIGNMENT, student.id)
            groups = result.setdefault(student.id, {})
            for grade in notebook.grades:
                group = grade.name.split("-")[0]
                groups[group] = groups.get(group, 0) + (grade.auto_score or 0)
        return result


def total(scores: Scores, number: int) -> float:
    return sum(scores[f"made-up-{number:02d}"].values())


def test_all_twelve_are_graded(scores: Scores) -> None:
    assert sorted(scores) == [f"made-up-{number:02d}" for number in range(1, 13)]


def test_right_work_gets_everything_and_no_work_nothing(scores: Scores) -> None:
    assert total(scores, 1) == 90
    assert total(scores, 9) == 0


@pytest.mark.parametrize("step", range(6))
def test_a_mistake_costs_points_in_its_step(scores: Scores, step: int) -> None:
    groups = [group for group in scores["made-up-01"] if group.startswith("test_")]
    right, wrong = scores["made-up-01"], scores[f"made-up-{step + 2:02d}"]
    assert wrong[groups[step]] < right[groups[step]]
    assert all(wrong[group] == right[group] for group in groups[:step])


@pytest.mark.parametrize("number", [8, 10, 11, 12])
def test_what_is_broken_costs_only_what_it_breaks(scores: Scores, number: int) -> None:
    assert 40 <= total(scores, number) < 90


def test_everyone_gets_a_feedback_page(scores: Scores, folder: Path) -> None:
    for student in scores:
        assert (folder / "feedback" / student / ASSIGNMENT / "compression_dev.html").is_file()


def test_it_ends_with_the_table_and_where_to_look(output: str, folder: Path) -> None:
    table = output[output.index("Points by test group") :]
    assert table.count("made-up-") == 12
    assert f"{folder}/feedback/<student>/{ASSIGNMENT}/compression_dev.html" in table


def test_a_folder_of_someone_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").touch()
    assert demo.main(["--folder", str(tmp_path)]) == 1
    assert "was not made by the demonstration" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").exists()


def test_a_folder_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--folder", "/proc/demo"]) == 1
    assert capsys.readouterr().err.startswith("cannot write /proc/demo: ")


def test_it_says_why_a_submission_could_not_be_graded(tmp_path: Path) -> None:
    api = demo.prepare(tmp_path / "demo")
    assert api.generate_assignment(ASSIGNMENT)["success"]
    broken = tmp_path / "demo" / "submitted" / "made-up-01" / ASSIGNMENT / "compression_dev.ipynb"
    broken.parent.mkdir(parents=True)
    broken.write_text("{ not json")
    row = demo.grade(api, Submission("made-up-01", "not a notebook", NotebookNode()))
    assert "compression_dev.ipynb is not valid JSON" in row.trouble


def test_it_says_how_to_start_jupyterlab_where_nothing_was_activated(output: str) -> None:
    command = re.search(r"cd (\S+) && (\S+) lab", output)
    assert command
    assert os.access(os.path.join(*command.groups()), os.X_OK)
