"""A solved notebook becomes a module; anything else becomes one clear line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tinytorch import export

from .conftest import ASSIGNMENT, NOTEBOOK, ROOT

SOURCE = ROOT / "source" / ASSIGNMENT / NOTEBOOK
NAMES = [
    "CompressionMetrics",
    "calculate_sparsity",
    "prune_weights_by_magnitude",
    "prune_model_by_magnitude",
    "quantize_layer_weights",
    "quantize_layer_weights_per_channel",
    "DistillationLoss",
    "compute_neuron_importance",
    "prune_layer_neurons",
    "prune_model_neurons",
    "compare_compression_techniques",
]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "made" / "compression.py"


@pytest.fixture(autouse=True)
def _folder(target: Path) -> None:
    target.parent.mkdir()


def write(path: Path, *sources: str, language: str = "python") -> Path:
    kernel = {"name": "k", "display_name": "k", "language": language}
    cells = [new_markdown_cell("# Title"), *map(new_code_cell, sources)]
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    path.write_text(json.dumps(notebook))
    return path


def refused(notebook: Path, target: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Export, which must fail with one line and leave nothing behind; that line."""
    before = sorted(target.parent.iterdir())
    assert export.main([str(notebook), "--to", str(target)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert sorted(target.parent.iterdir()) == before
    return error


def test_the_reference_exports_every_name_of_the_contract(target: Path) -> None:
    assert export.export(SOURCE, target) == NAMES
    use = (
        "import runpy, sys, numpy as np; from tinytorch.core.layers import Dense; "
        "made = runpy.run_path(sys.argv[1]); layer = Dense(4, 3); "
        "made['prune_weights_by_magnitude'](layer, 0.5); "
        "assert made['calculate_sparsity'](layer) == 0.5; print(*made['__all__'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", use, target], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.split() == NAMES


def test_only_marked_cells_and_no_magics(tmp_path: Path, target: Path) -> None:
    notebook = write(
        tmp_path / "n.ipynb",
        "#| export\nimport math",
        "raise SystemExit",
        "#| export\n%matplotlib inline\n!ls\ndef area(r):\n    return math.pi * r**2",
        "#| export\nx = (7\n  % 4)\n\n\nclass _Hidden:\n    pass",
    )
    assert export.export(notebook, target) == ["area"]
    text = target.read_text()
    assert "SystemExit" not in text
    assert "matplotlib" not in text
    assert "  % 4)" in text


def test_exporting_again_replaces_the_module(tmp_path: Path, target: Path) -> None:
    export.export(write(tmp_path / "n.ipynb", "#| export\ndef f():\n    pass"), target)
    export.export(write(tmp_path / "n.ipynb", "#| export\ndef g():\n    pass"), target)
    assert "def f" not in target.read_text()
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_an_unsolved_notebook_names_what_is_missing(
    target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(ROOT / "release" / ASSIGNMENT / NOTEBOOK, target, capsys)
    assert "is not solved yet" in error
    assert "CompressionMetrics.count_parameters" in error
    assert "compare_compression_techniques" in error


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "is not valid JSON (line 1)"),
        ("[]", "is not a notebook of format 4"),
        ('{"nbformat": 3, "worksheets": []}', "is not a notebook of format 4"),
        ("\udcff", "is not a notebook of format 4"),
    ],
)
def test_a_file_that_is_no_notebook(
    content: str, expected: str, tmp_path: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text(content, errors="surrogateescape")
    assert expected in refused(path, target, capsys)


def test_a_missing_notebook(
    tmp_path: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "does not exist" in refused(tmp_path / "none.ipynb", target, capsys)


@pytest.mark.parametrize(
    ("source", "language", "expected"),
    [
        ("#| export\nx <- 1", "R", "is a notebook for R"),
        ("x = 1", "python", "has no cell that begins with '#| export'"),
        ("#| export\ndef f(:\n    pass", "python", "cell 2 does not parse: "),
        ("#| export\nx = missing", "python", "name 'missing' is not defined"),
        ("#| export\nraise SystemExit(3)", "python", "exit code 3"),
    ],
)
def test_a_notebook_that_cannot_be_exported(  # noqa: PLR0917
    source: str,
    language: str,
    expected: str,
    tmp_path: Path,
    target: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    notebook = write(tmp_path / "n.ipynb", source, language=language)
    assert expected in refused(notebook, target, capsys)


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = write(tmp_path / "n.ipynb", "#| export\nx = 1")
    assert export.main([str(notebook), "--to", "/proc/compression.py"]) == 1
    assert capsys.readouterr().err.startswith("cannot write /proc/compression.py: ")


def test_a_module_that_no_export_made_stays(
    tmp_path: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target.write_text("mine = 1\n")
    notebook = write(tmp_path / "n.ipynb", "#| export\nx = 1")
    assert "is not overwritten" in refused(notebook, target, capsys)
    assert target.read_text() == "mine = 1\n"
