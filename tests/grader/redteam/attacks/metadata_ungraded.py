"""Says that the graded cells are solutions, written answers, tasks (point 1)."""

from redteam.tools import World

BASE = "untouched"


def attack(notebook, world: World) -> None:
    kinds = [{"solution": True}, {"task": True}, {"grade": False}, {"locked": False}]
    for i, cell in enumerate(notebook.cells):
        known = cell.metadata.get("nbgrader", {})
        if known.get("grade"):
            known.update(kinds[i % len(kinds)])
