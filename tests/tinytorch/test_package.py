"""The package as a whole: what importing it loads, its version, its promise to type checkers."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import tinytorch

FOLDER = Path(tinytorch.__file__).parent
LIBRARY = [
    "tinytorch.core.setup",
    "tinytorch.core.training",
    "tinytorch.core.networks",
    "tinytorch.datasets",
    "tinytorch.storage",
]


def python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def loaded_by(statement, after="import json"):
    """The modules that a statement loads in a new Python."""
    code = (
        f"import sys, json\n{after}\nbefore = set(sys.modules)\n{statement}\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    return json.loads(python(code).stdout)


def test_importing_the_package_loads_nothing_else():
    assert loaded_by("import tinytorch") == ["tinytorch"]


@pytest.mark.parametrize("module", LIBRARY)
def test_numpy_is_the_only_dependency(module):
    roots = {name.split(".")[0] for name in loaded_by(f"import {module}")}
    assert roots - set(sys.stdlib_module_names) <= {"tinytorch", "numpy"}


def test_the_core_adds_little_to_numpy():
    """Importing it takes little more than NumPy, as it loads hardly anything NumPy does not."""
    added = loaded_by("import tinytorch.core.training, tinytorch.core.networks", "import numpy")
    others = [name for name in added if not name.startswith(("tinytorch", "numpy.random"))]
    assert len(others) <= 3, others


def test_an_old_python_is_told_what_to_do():
    process = python("import sys; sys.version_info = (3, 10, 1, 'final', 0); import tinytorch")
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == (
        "ImportError: TinyTorch needs Python 3.11 or newer; this is Python 3.10. Install a newer "
        "one from https://www.python.org/downloads/ and start again with it."
    )


def test_the_version_is_that_of_the_packaging():
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["project"]
    assert tinytorch.__version__ == project["version"]


def test_types_are_promised_to_type_checkers():
    assert (FOLDER / "py.typed").is_file()


def test_the_library_knows_neither_grading_nor_notebooks():
    for file in FOLDER.rglob("*.py"):
        lines = file.read_text().splitlines()
        imports = [line.split() for line in lines if line.lstrip().startswith(("import", "from"))]
        roots = {words[1].split(".")[0] for words in imports if len(words) > 1}
        assert not roots & {"grader", "nbgrader", "IPython", "jupytext", "matplotlib"}, file
