"""What nbgrader's commands say about bad input: one line that says what to do, no traceback."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import ASSIGNMENT, NOTEBOOK, Course, new_course


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return new_course(tmp_path_factory.mktemp("plain") / "course")


def refusal(course: Course, *arguments: str) -> str:
    """Run a command, which must fail; the errors it logged."""
    result = course.run("nbgrader", *arguments)
    assert result.returncode != 0
    assert "Traceback" not in result.stdout + result.stderr
    return "\n".join(line for line in result.stderr.splitlines() if "ERROR" in line)


def for_another_kernel(notebook: Path) -> str:
    content = json.loads(notebook.read_text())
    kernel = {"name": "ir", "language": "R", "display_name": "R"}
    return json.dumps(content | {"metadata": {"kernelspec": kernel}})


def test_not_json(course: Course) -> None:
    path = course.folder / "source" / ASSIGNMENT / NOTEBOOK
    intact = path.read_text()
    path.write_text("{ not json")
    release = course.folder / "release" / ASSIGNMENT / NOTEBOOK
    last = release.read_bytes()
    assert "the notebook is not valid JSON" in refusal(course, "generate_assignment", ASSIGNMENT)
    assert release.read_bytes() == last
    assert "the notebook is not valid JSON" in refusal(course, "validate", str(path))
    path.write_text(intact)


def test_another_kernel(course: Course) -> None:
    path = course.folder / "source" / ASSIGNMENT / NOTEBOOK
    intact = path.read_text()
    path.write_text(for_another_kernel(path))
    assert "choose Python 3" in refusal(course, "generate_assignment", ASSIGNMENT)
    assert "choose Python 3" in refusal(course, "validate", str(path))
    path.write_text(intact)


def test_a_misspelled_assignment(course: Course) -> None:
    said = refusal(course, "generate_assignment", "10_compresion")
    assert "No notebooks were matched" in said
    assert f"Did you mean: {course.folder}/source/./{ASSIGNMENT}" in said


def test_grading_before_generating_and_before_collecting(course: Course) -> None:
    said = refusal(course, "autograde", ASSIGNMENT)
    assert f"run `nbgrader generate_assignment {ASSIGNMENT}`" in said
    course.nbgrader("generate_assignment", ASSIGNMENT)
    assert "run `nbgrader collect` first" in refusal(course, "autograde", ASSIGNMENT)


def test_a_gradebook_that_cannot_be_opened(course: Course) -> None:
    (course.folder / "gradebook.db").unlink(missing_ok=True)
    (course.folder / "gradebook.db").mkdir()
    said = refusal(course, "generate_assignment", ASSIGNMENT)
    assert "gradebook.db cannot be opened: make its folder writable" in said
    (course.folder / "gradebook.db").rmdir()


def press(course: Course, button: str) -> dict[str, Any]:
    """What formgrader gets for one of its buttons, such as `autograde('a', 'ada')`."""
    (course.folder / "press.py").write_text(
        "import json\n"
        "from nbgrader.apps import NbGraderAPI\n"
        "from traitlets.config.loader import PyFileConfigLoader\n"
        "config = PyFileConfigLoader('nbgrader_config.py').load_config()\n"
        f"print(json.dumps(NbGraderAPI(config=config).{button}))\n"
    )
    result = course.run("press")
    assert result.returncode == 0, result.stderr
    pressed: dict[str, Any] = json.loads(result.stdout)
    return pressed


def test_a_button_says_what_was_wrong_and_shows_no_traceback(course: Course) -> None:
    assert press(course, f"generate_assignment('{ASSIGNMENT}')")["success"]
    broken = course.folder / "submitted" / "ada" / ASSIGNMENT / NOTEBOOK
    broken.parent.mkdir(parents=True)
    broken.write_text("{ not json")
    graded = press(course, f"autograde('{ASSIGNMENT}', 'ada')")
    assert not graded["success"]
    assert "is not valid JSON" in graded["log"]
    assert not graded["error"]

    page = press(course, f"generate_feedback('{ASSIGNMENT}', 'ada')")
    assert f"no submission of {ASSIGNMENT} by ada is autograded" in page["log"]
    assert not page["error"]

    fetched = press(course, f"collect('no_such_{ASSIGNMENT}')")
    assert not fetched["success"]
    assert "not found" in fetched["log"]
    assert "Traceback" not in fetched["log"] + fetched["error"]


@pytest.fixture
def broken_source(course: Course) -> Iterator[None]:
    path = course.folder / "source" / ASSIGNMENT / NOTEBOOK
    intact = path.read_text()
    path.write_text("{ not json")
    yield
    path.write_text(intact)


@pytest.mark.usefixtures("broken_source")
def test_a_button_shortens_an_error_that_nobody_foresaw(course: Course) -> None:
    made = press(course, f"generate_assignment('{ASSIGNMENT}')")
    assert not made["success"]
    assert "the notebook is not valid JSON" in made["log"]
    assert "Traceback" not in made["log"] + made["error"]


@pytest.mark.usefixtures("broken_source")
def test_debugging_shows_the_whole_traceback(course: Course) -> None:
    result = course.run("nbgrader", "generate_assignment", ASSIGNMENT, "--log-level=DEBUG")
    assert "Traceback" in result.stderr
