"""Hands in two thousand more cells (point 5)."""

from nbformat.v4 import new_code_cell, new_markdown_cell
from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> None:
    for i in range(2000):
        cell = new_code_cell("") if i % 2 else new_markdown_cell("x" * 100)
        notebook.cells.append(cell)
