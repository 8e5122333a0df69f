"""Hands in NaN, Infinity, 1e400 and integers of thousands of digits (point 5)."""

import nbformat
from redteam.tools import World

BASE = "honest"


def attack(notebook, world: World) -> bytes:
    for cell in notebook.cells:
        known = cell.metadata.get("nbgrader", {})
        if "points" in known:
            known.points = "NUMBER"
    data = nbformat.writes(notebook)
    for number in ["NaN", "1e400", "-Infinity", "9" * 5000, "1" * 30 + "e-9"] * 2:
        data = data.replace('"NUMBER"', number, 1)
    return data.replace('"nbformat_minor": 5', '"nbformat_minor": 5e400').encode()
