"""Hands in the first two thirds of a notebook (point 5)."""

import nbformat
from redteam.tools import World

BASE = "honest"
REFUSED = "not valid JSON"


def attack(notebook, world: World) -> bytes:
    data = nbformat.writes(notebook).encode()
    return data[: len(data) * 2 // 3]
