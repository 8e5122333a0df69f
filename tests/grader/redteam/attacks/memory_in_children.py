"""Lets many children fill the memory together (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        import os
        import time

        for _ in range(8):
            if os.fork() == 0:
                piece = bytearray(b"x") * (100 * 2**20)
                time.sleep(600)
                os._exit(0)
        time.sleep(600)
        """,
    )
