"""Returns NaN everywhere, for comparisons that a NaN passes (point 1)."""

from redteam.tools import World, forge

BASE = "untouched"


def attack(notebook, world: World) -> None:
    forge(notebook, "float('nan')")
