"""Prints what it does in every call (point 6)."""

from redteam.tools import World, in_scale

BASE = "honest"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        for i in range(200):
            print("step", i, values)
        """,
    )
