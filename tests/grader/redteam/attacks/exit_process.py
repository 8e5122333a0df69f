"""Ends the process with success in each check (point 1)."""

from redteam.tools import World, forge

BASE = "untouched"


def attack(notebook, world: World) -> None:
    forge(notebook, "__import__('os')._exit(0)")
