"""Returns infinities in arrays of the right shapes (point 1)."""

from redteam.tools import World, forge

BASE = "untouched"


def attack(notebook, world: World) -> None:
    forge(notebook, "np.full(5, np.inf)")
