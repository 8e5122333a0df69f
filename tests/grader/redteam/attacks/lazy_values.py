"""Returns generators, functions and coroutines (point 1)."""

from redteam.tools import World, forge

BASE = "untouched"


def attack(notebook, world: World) -> None:
    forge(notebook, "[(x for x in (12,)), lambda *a: 12, type]")
