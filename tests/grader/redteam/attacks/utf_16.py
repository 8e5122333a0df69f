"""Hands in a notebook in UTF-16, as some editors save it (point 5)."""

import nbformat
from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> bytes:
    return nbformat.writes(notebook).encode("utf-16")
