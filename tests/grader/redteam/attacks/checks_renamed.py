"""Gives the ids of costly checks to cells that cannot fail (point 1)."""

from redteam.course import metadata
from redteam.tools import World, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    for cell in notebook.cells:
        known = cell.metadata.get("nbgrader", {})
        if known.get("grade"):
            known["grade_id"] = "x" + known["grade_id"]
    for name in ("test_loss", "test_loss-random", "test_prune"):
        own_cell(notebook, "pass", len(notebook.cells))
        kind = metadata(name, grade=True, locked=True, points=32)
        notebook.cells[-1].metadata.update(kind)
