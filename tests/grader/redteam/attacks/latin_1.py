"""Hands in a notebook in Latin-1 (point 5)."""

import nbformat
from redteam.tools import World

BASE = "honest"
REFUSED = "not in UTF-8"


def attack(notebook, world: World) -> bytes:
    notebook.cells[0].source = "caf\xe9"
    return nbformat.writes(notebook).encode("latin-1", "replace")
