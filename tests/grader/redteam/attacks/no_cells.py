"""Hands in a notebook without cells (point 5)."""

from redteam.tools import World

BASE = "honest"
REFUSED = "has no cells"


def attack(notebook, world: World) -> None:
    notebook.cells = []
