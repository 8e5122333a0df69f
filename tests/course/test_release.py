"""What students get: current, without solutions and hidden tests, and working as far as it can."""

from pathlib import Path

import nbclient
import pytest
from nbgrader.utils import is_grade, is_solution

from .conftest import ASSIGNMENT, NOTEBOOK, ROOT, Course, read

RELEASE = ROOT / "release" / ASSIGNMENT
REGIONS = ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME")


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def lines_by_region(source: str) -> tuple[set[str], set[str]]:
    """The lines inside and outside the regions that a release leaves out, stripped."""
    inside: set[str] = set()
    outside: set[str] = set()
    hidden = False
    for raw in source.splitlines():
        line = raw.strip()
        if any(f"BEGIN {region}" in line or f"END {region}" in line for region in REGIONS):
            hidden = "BEGIN" in line
            inside.add(line)
        else:
            (inside if hidden else outside).add(line)
    return inside, outside


def test_the_committed_release_is_current(released: Course) -> None:
    made = files(released.folder / "release" / ASSIGNMENT)
    assert made.keys() == files(RELEASE).keys(), "run `make release`"
    for name, content in made.items():
        assert content == (RELEASE / name).read_bytes(), f"{name}: run `make release`"


def test_no_solution_and_no_hidden_test_is_in_any_file() -> None:
    inside: set[str] = set()
    outside: set[str] = set()
    for cell in read(ROOT / "source" / ASSIGNMENT / NOTEBOOK).cells:
        hidden, shown = lines_by_region(cell.source)
        inside |= hidden
        outside |= shown
    secret = inside - outside
    assert len(secret) > 50
    for path in RELEASE.rglob("*"):
        if path.suffix == ".ipynb":
            text = "\n".join(cell.source for cell in read(path).cells)
        else:
            text = path.read_text(errors="replace") if path.is_file() else ""
        leaked = secret & {line.strip() for line in text.splitlines()}
        assert not leaked, f"{path.name} holds {sorted(leaked)[:3]}"


def test_nothing_of_the_pairing_tool_is_in_any_file() -> None:
    assert not [name for name, content in files(RELEASE).items() if b"jupytext" in content]
    assert not list(RELEASE.rglob("*.py"))


def test_it_runs_to_the_first_unsolved_cell() -> None:
    notebook = read(RELEASE / NOTEBOOK)
    first = next(i for i, cell in enumerate(notebook.cells) if is_solution(cell))
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": "."}})
    with pytest.raises(nbclient.exceptions.CellExecutionError) as error:
        client.execute()
    assert error.value.ename == "NotImplementedError"
    failed = next(
        i
        for i, cell in enumerate(notebook.cells)
        if any(output.output_type == "error" for output in cell.get("outputs", []))
    )
    assert failed > first
    assert all(not is_grade(cell) for cell in notebook.cells[: first + 1])


def test_the_points_are_those_of_the_contract() -> None:
    cells = [cell.metadata.nbgrader for cell in read(RELEASE / NOTEBOOK).cells if is_grade(cell)]
    groups: dict[str, float] = {}
    for cell in cells:
        group = cell.grade_id.split("-")[0]
        groups[group] = groups.get(group, 0) + cell.points
    assert groups == {
        "test_compression_metrics_comprehensive": 10,
        "test_magnitude_pruning_comprehensive": 20,
        "test_quantization_comprehensive": 20,
        "test_distillation_comprehensive": 15,
        "test_structured_pruning_comprehensive": 15,
        "test_compression_integration_comprehensive": 10,
    }
