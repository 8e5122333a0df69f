"""What students install, and what `make` says where it cannot."""

import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from .conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of a checkout in which the solution was exported."""
    folder = tmp_path_factory.mktemp("wheel")
    ignore = shutil.ignore_patterns("__pycache__", "compression.py")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("tinytorch", "grader"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    (folder / "tinytorch" / "core" / "compression.py").write_text("secret = 1\n")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", "dist", "."]
    subprocess.run(command, check=True, cwd=folder)
    (path,) = (folder / "dist").iterdir()
    return zipfile.ZipFile(path)


def test_the_wheel_is_the_library_alone(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"tinytorch", "tinytorch-1.0.0.dist-info"}
    assert "tinytorch/core/layers.py" in wheel.namelist()
    assert "tinytorch/py.typed" in wheel.namelist()
    assert not [name for name in wheel.namelist() if "entry_points" in name]


def test_the_exported_solution_is_never_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    assert "tinytorch/core/compression.py" not in wheel.namelist()


def test_the_wheel_brings_numpy_alone(wheel: zipfile.ZipFile) -> None:
    metadata = message_from_bytes(wheel.read("tinytorch-1.0.0.dist-info/METADATA"))
    needed = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [line.split("<")[0].split(">")[0] for line in needed] == ["numpy"]
    student = [line for line in metadata.get_all("Requires-Dist", []) if "'student'" in line]
    assert {line.split("<")[0].split(">")[0] for line in student} == {
        "jupyterlab",
        "matplotlib",
        "nbgrader",
    }


def test_the_wheel_carries_the_data_and_its_licence(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert any(name.startswith("tinytorch/datasets/") and name.endswith(".npz") for name in names)
    assert any(name.endswith("LICENSE-digits.txt") for name in names)


@pytest.mark.parametrize(
    ("python", "expected"),
    [
        ("#!/bin/sh\nexit 1\n", "needs Python 3.11 or newer"),
        ("#!/bin/sh\ncase $2 in *ensurepip*) exit 1;; esac\n", "has no venv module"),
    ],
)
@pytest.mark.parametrize("target", ["demo", "test", "export"])
def test_a_python_that_will_not_do(python: str, expected: str, target: str, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    interpreter = tmp_path / "python3"
    interpreter.write_text(python)
    interpreter.chmod(0o755)
    result = subprocess.run(
        ["make", target, f"PYTHON={interpreter}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    first, *_ = result.stderr.splitlines()
    assert expected in first
    assert not (tmp_path / ".venv").exists()
