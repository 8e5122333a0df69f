"""Hands in 50 MB of outputs (point 5)."""

from nbformat.v4 import new_output
from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> None:
    for cell in notebook.cells[1:6]:
        cell.outputs = [new_output("stream", text="flood " * 1_700_000)]
