"""Hands in JSON objects with each key twice (point 5)."""

import nbformat
from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> bytes:
    data = nbformat.writes(notebook)
    return data.replace('"cell_type":', '"source": "raise SystemExit", "cell_type":').encode()
