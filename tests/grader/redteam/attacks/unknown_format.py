"""Hands in a notebook in a format that is not there yet (point 5)."""

from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> None:
    notebook.nbformat, notebook.nbformat_minor = 9, 99
    for cell in notebook.cells:
        cell.pop("id", None)
