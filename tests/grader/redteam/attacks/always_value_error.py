"""Raises ValueError always, for the sake of the checks that expect it (point 1)."""

from redteam.tools import World, forge

BASE = "untouched"


def attack(notebook, world: World) -> None:
    forge(notebook, "exec('raise ValueError(1)')")
