"""Returns empty arrays, of which all entries are right (point 1)."""

from redteam.tools import World, forge

BASE = "untouched"


def attack(notebook, world: World) -> None:
    forge(notebook, "np.zeros((0,))")
