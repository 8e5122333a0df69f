"""Ends the process in a cell of its own; the other cells count (points 1, 4)."""

from redteam.tools import World, own_cell

BASE = "honest"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import os

        os._exit(0)
        """,
    )
