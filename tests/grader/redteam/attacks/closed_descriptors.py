"""Closes every descriptor, the one it is asked by included (point 4)."""

from redteam.tools import World, own_cell

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import os

        os.closerange(0, 256)
        """,
    )
