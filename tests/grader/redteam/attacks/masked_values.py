"""Returns masked arrays, whose masked entries equal everything (point 1)."""

from redteam.tools import World, forge

BASE = "untouched"


def attack(notebook, world: World) -> None:
    forge(notebook, "np.ma.masked_all(5)")
