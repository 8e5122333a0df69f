"""Locks and shares memory that no process counts as its own (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        import mmap
        import os

        for size in (2**26, 2**28, 2**30, 2**32):
            try:
                shared = mmap.mmap(-1, size)
                shared.write(b"x" * min(size, 2**26))
            except (OSError, MemoryError, ValueError):
                pass
        """,
    )
