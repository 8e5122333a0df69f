"""Hands in outputs in which all checks have passed (point 1)."""

from nbformat.v4 import new_output
from redteam.tools import World

BASE = "untouched"


def attack(notebook, world: World) -> None:
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.execution_count = i
            cell.outputs = [
                new_output("stream", name="stdout", text="passed: 32 of 32 points"),
                new_output("execute_result", {"text/plain": "32.0"}, execution_count=i),
            ]
