"""Prints tens of megabytes, by all ways out (points 4, 5)."""

from redteam.tools import World, everywhere

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os
        import sys

        for _ in range(50):
            print("flood " * 100_000)
            sys.stderr.write("flood " * 10_000)
        for _ in range(20):
            try:
                os.write(1, b"flood " * 200_000)
                os.write(2, b"flood " * 200_000)
            except OSError:
                break
        """,
    )
