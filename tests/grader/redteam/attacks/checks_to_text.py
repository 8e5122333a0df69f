"""Turns the graded cells into Markdown and raw cells (point 1)."""

from redteam.tools import World

BASE = "untouched"


def attack(notebook, world: World) -> None:
    for i, cell in enumerate(notebook.cells):
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.cell_type = ("markdown", "raw")[i % 2]
            cell.pop("outputs")
            cell.pop("execution_count")
