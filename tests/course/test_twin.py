"""The master notebook and its twin are one text; either makes the other."""

from pathlib import Path

import nbformat
import pytest

from grader.course import twin

from .conftest import NOTEBOOK, ROOT, read

SOURCE = ROOT / "source" / "10_compression"
TWIN = SOURCE / "compression_dev.py"

TEXT = """# %% [markdown]
# # Title

# %% nbgrader={"grade": false, "grade_id": "a", "locked": true, "schema_version": 3} tags=["t"]
x = 1

# %%
x = 2

# %%
x = 2
"""


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    path = tmp_path / "work.py"
    path.write_text(TEXT)
    assert twin.main(["twin", str(path)]) == 0
    return path


def test_the_committed_pair_is_in_step() -> None:
    text = TWIN.read_text(encoding="utf-8")
    notebook = twin.notebook_from_text(text)
    assert read(SOURCE / NOTEBOOK) == notebook, "run `make notebook` or `make twin`"
    assert twin.text_from_notebook(notebook) == text, "run `make notebook`"


def test_a_notebook_is_the_same_each_time_it_is_made(pair: Path) -> None:
    notebook = pair.with_suffix(".ipynb").read_bytes()
    twin.main(["twin", str(pair)])
    assert pair.with_suffix(".ipynb").read_bytes() == notebook


def test_cell_ids_are_unique_and_tell_the_graded_cells(pair: Path) -> None:
    ids = [cell.id for cell in read(pair.with_suffix(".ipynb")).cells]
    assert ids[1] == "a"
    assert len(set(ids)) == 4


def test_what_was_edited_in_the_notebook_reaches_the_twin(pair: Path) -> None:
    path = pair.with_suffix(".ipynb")
    notebook = read(path)
    notebook.cells[2].source = "x = 3"
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="seen")]
    notebook.metadata["jupytext"] = {"formats": "ipynb,py:percent"}
    nbformat.write(notebook, path)
    assert twin.main(["notebook", str(pair)]) == 0
    assert "x = 3" in pair.read_text()
    assert "seen" not in path.read_text()
    assert "jupytext" not in path.read_text() + pair.read_text()


@pytest.mark.parametrize("edited", ["twin", "notebook"])
def test_a_missing_file_is_one_line(
    edited: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert twin.main([edited, str(tmp_path / "none.py")]) == 1
    error = capsys.readouterr().err
    assert "does not exist" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_broken_notebook_changes_nothing(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = pair.read_text()
    pair.with_suffix(".ipynb").write_text("{ not json")
    assert twin.main(["notebook", str(pair)]) == 1
    assert "is not valid JSON" in capsys.readouterr().err
    assert pair.read_text() == before


def test_check_tells_which_way_to_go(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert twin.main(["check", str(pair)]) == 0
    pair.write_text(TEXT.replace("x = 1", "x = 4"))
    assert twin.main(["check", str(pair)]) == 1
    assert "make notebook" in capsys.readouterr().err
