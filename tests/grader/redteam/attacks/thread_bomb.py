"""Starts threads until none can be started (point 4)."""

from redteam.tools import World, everywhere

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import threading
        import time

        for _ in range(1000):
            try:
                threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
            except (RuntimeError, MemoryError):
                break
        """,
    )
