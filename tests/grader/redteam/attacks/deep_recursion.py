"""Recurses until Python's stack overflows (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        import sys

        sys.setrecursionlimit(10**9)


        def deeper(depth):
            return deeper(depth + 1) + 1


        deeper(0)
        """,
    )
