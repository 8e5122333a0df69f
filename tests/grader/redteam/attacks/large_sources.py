"""Hands in cells with megabytes of text each (point 5)."""

from nbformat.v4 import new_code_cell
from redteam.tools import World

BASE = "honest"
REFUSED = "more text"


def attack(notebook, world: World) -> None:
    for _ in range(20):
        notebook.cells.append(new_code_cell("# " + "x" * 1_000_000))
