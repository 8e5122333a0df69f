"""An honest student's editor has dropped the metadata of some cells (point 5)."""

from redteam.course import cell
from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> None:
    for name in ("scale", "test_prune", "Loss", "imports"):
        cell(notebook, name).metadata.clear()
