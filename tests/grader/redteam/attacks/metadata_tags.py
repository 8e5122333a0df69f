"""Tags the graded cells so that they are skipped or may fail (point 1)."""

from redteam.tools import World

BASE = "untouched"


def attack(notebook, world: World) -> None:
    for cell in notebook.cells:
        cell.metadata.tags = ["experiment", "skip-execution", "raises-exception", "remove-cell"]
