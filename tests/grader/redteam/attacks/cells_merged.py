"""An honest student merges all answers into the first cell (point 5)."""

from redteam.course import cell
from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> None:
    names = ("scale", "prune", "Loss")
    merged = chr(10).join(cell(notebook, name).source for name in names)
    cell(notebook, "scale").source = merged
    notebook.cells = [
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") not in names[1:]
    ]
