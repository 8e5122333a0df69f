"""Puts a copy of each graded cell that cannot fail before and after it (point 1)."""

from copy import deepcopy

from redteam.tools import World

BASE = "untouched"


def attack(notebook, world: World) -> None:
    cells = []
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            easy = deepcopy(cell)
            easy.source = "pass"
            cells += [easy, cell, deepcopy(easy)]
        else:
            cells.append(cell)
    notebook.cells = cells
