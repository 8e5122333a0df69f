"""Returns True, which is a number too (point 1)."""

from redteam.tools import World, forge

BASE = "untouched"


def attack(notebook, world: World) -> None:
    forge(notebook, "True")
