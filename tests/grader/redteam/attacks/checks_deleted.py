"""Hands in no graded cell at all (point 1)."""

from redteam.tools import World

BASE = "untouched"


def attack(notebook, world: World) -> None:
    notebook.cells = [c for c in notebook.cells if not c.metadata.get("nbgrader", {}).get("grade")]
