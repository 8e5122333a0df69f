"""Leaves Python in cells of its own, in all the ways there are (points 1, 4)."""

from redteam.tools import World, own_cell

BASE = "honest"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import atexit
        import os

        atexit.register(os._exit, 0)
        exit()
        quit()
        raise SystemExit(0)
        """,
    )
