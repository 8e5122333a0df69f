"""Leaves each check by SystemExit with code 0 (point 1)."""

from redteam.tools import World, forge

BASE = "untouched"


def attack(notebook, world: World) -> None:
    forge(notebook, "exec('raise SystemExit(0)')")
