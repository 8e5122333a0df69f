"""An honest student copies a test cell to try it again (point 5)."""

from copy import deepcopy

from redteam.course import cell
from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> None:
    twice = deepcopy(cell(notebook, "test_scale"))
    notebook.cells.insert(5, twice)
    notebook.cells.append(deepcopy(twice))
