"""Hands in a notebook without metadata (point 5)."""

from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> None:
    notebook.metadata.clear()
