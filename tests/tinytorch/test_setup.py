import os
import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch.core import setup

ROOT = Path(tinytorch.__file__).parents[1]


def run(*options, path=()):
    """`python -m tinytorch.core.setup`; with "-S" no installed packages are seen but in `path`."""
    return subprocess.run(
        [sys.executable, *options, "-m", "tinytorch.core.setup"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *map(str, path)])},
        capture_output=True,
        text=True,
        check=False,
    )


def install(folder, name, version):
    """The record that an installed package leaves."""
    record = folder / f"{name}-{version}.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def test_the_report_of_this_machine():
    process = run()
    assert process.returncode == 0
    assert process.stderr == ""
    facts = dict(re.findall(r"^(\S+)  +(.+)$", process.stdout, re.MULTILINE))
    assert facts["Python"].startswith(platform.python_version())
    assert facts["numpy"] == np.__version__
    assert facts["memory"].endswith("GB")
    assert int(facts["cores"]) >= 1


def test_without_numpy():
    process = run("-S")
    assert process.returncode == 1
    assert process.stderr == ""
    assert "MISSING  numpy is missing; it is for all computing." in process.stdout
    assert 'python -m pip install "numpy>=2.0"' in process.stdout
    assert "note     jupyterlab is missing" in process.stdout


def test_with_an_old_numpy(tmp_path):
    install(tmp_path, "numpy", "1.26.4")
    process = run("-S", path=[tmp_path])
    assert process.returncode == 1
    assert "MISSING  numpy 1.26.4 is too old" in process.stdout


def test_without_the_notebooks_packages_the_library_works(tmp_path):
    install(tmp_path, "numpy", "2.0")
    install(tmp_path, "nbgrader", "0.9.4")
    install(tmp_path, "matplotlib", "3.10.0rc1")
    process = run("-S", path=[tmp_path])
    assert process.returncode == 0
    assert "MISSING" not in process.stdout
    assert "note     jupyterlab is missing" in process.stdout
    assert "note     nbgrader 0.9.4 is too old" in process.stdout
    assert "note     matplotlib" not in process.stdout
    assert process.stdout.endswith("TinyTorch works here.\n")


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(setup, "MINIMUM_PYTHON", "4.0")
    (sentence,) = setup.check_machine().missing
    assert sentence.startswith("Python 4.0 or newer is needed: install one from https://")
    assert setup.main() == 1


def test_little_memory(monkeypatch):
    monkeypatch.setattr(setup, "MINIMUM_MEMORY", 1e6)
    assert "Less than 1000000 GB of memory: close other programs" in "".join(
        setup.check_machine().advice
    )


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_cores_are_those_this_process_may_use():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert setup.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_the_minimum_versions_are_those_of_the_packaging():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={setup.MINIMUM_PYTHON}"
    declared = project["dependencies"] + project["optional-dependencies"]["student"]
    assert {requirement.split(",")[0] for requirement in declared} == {
        f"{package.name}>={package.minimum}" for package in setup.PACKAGES
    }
