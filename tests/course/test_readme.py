"""What the README says of the repository is so."""

import re

import pytest
from nbgrader.apps import NbGraderApp

from grader.cli import GraderApp

from .conftest import ASSIGNMENT, NOTEBOOK, ROOT, read

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_its_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"[`$] ?make ([a-z-]+)", TEXT))
    assert {"demo", "test", "release"} <= named
    assert named <= targets


@pytest.mark.parametrize(("command", "app"), [("nbgrader", NbGraderApp), ("grader", GraderApp)])
def test_its_subcommands_exist(command: str, app: type) -> None:
    named = set(re.findall(rf"[`$] ?{command} ([a-z_]+)", TEXT))
    assert named
    assert named <= set(app().subcommands)


def test_its_counts_are_those_of_the_files() -> None:
    for kind in ("wheats", "chaffs"):
        found = re.search(rf"tests/module/{kind}/` holds\s+(\d+)", TEXT)
        assert found, kind
        assert int(found[1]) == len(list((ROOT / "tests/module" / kind).glob("*.py")))


def test_its_points_are_those_of_the_notebook() -> None:
    points: dict[str, int] = {}
    for cell in read(ROOT / "source" / ASSIGNMENT / NOTEBOOK).cells:
        known = cell.metadata.get("nbgrader", {})
        if known.get("grade") or known.get("task"):
            group = known["grade_id"].split("-")[0] if known["grade"] else "written"
            points[group] = points.get(group, 0) + known["points"]
    said = re.findall(r"^\| `(test_\w+)` \| .* \| (\d+) \|$", TEXT, re.MULTILINE)
    assert {group: int(number) for group, number in said} == {
        group: number for group, number in points.items() if group != "written"
    }
    assert points["written"] == 10
