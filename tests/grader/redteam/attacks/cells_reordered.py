"""An honest student moves all answers to the top and turns the tests around (point 5)."""

from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> None:
    cells = notebook.cells
    solutions = [c for c in cells if c.metadata.get("nbgrader", {}).get("solution")]
    others = [c for c in cells if c not in solutions]
    notebook.cells = [*others[:3], *reversed(solutions), *reversed(others[3:])]
