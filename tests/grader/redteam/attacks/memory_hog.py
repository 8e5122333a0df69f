"""Fills all memory, piece by piece and at once (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        pieces = []
        while True:
            pieces.append(bytearray(2**24))
        """,
    )
