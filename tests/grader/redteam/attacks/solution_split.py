"""An honest student splits a solution cell, so that its id is there twice (point 5)."""

from copy import deepcopy

from redteam.course import cell
from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> None:
    second = cell(notebook, "scale")
    first = deepcopy(second)
    first.source = "def doubled(values):\n    return 2 * np.asarray(values)"
    second.source = "def scale(values, factor=2.0):\n    return doubled(values) * (factor / 2)"
    notebook.cells.insert(notebook.cells.index(second), first)
