"""Replaces the source of every graded cell by nothing that fails (point 1)."""

from redteam.tools import World

BASE = "untouched"


def attack(notebook, world: World) -> None:
    for i, cell in enumerate(notebook.cells):
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = ["", "pass", "1.0", "%%script true\nassert False"][i % 4]
