"""Moves the graded cells to the beginning, before anything is defined (point 1)."""

from redteam.tools import World

BASE = "untouched"


def attack(notebook, world: World) -> None:
    notebook.cells.sort(key=lambda c: not c.metadata.get("nbgrader", {}).get("grade"))
