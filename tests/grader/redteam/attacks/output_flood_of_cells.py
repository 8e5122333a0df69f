"""Writes as much as a cell may in each of six hundred cells (points 4, 5)."""

from redteam.tools import World, own_cell

BASE = "honest"


def attack(notebook, world: World) -> None:
    own_cell(notebook, "text = ('x' * 99 + chr(10)) * 10_000")
    for _ in range(600):
        own_cell(notebook, "print(text)", len(notebook.cells))
