"""Stops its process group, the processes that started it among them (points 3, 4)."""

from redteam.tools import World, everywhere

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os
        import signal

        os.kill(0, signal.SIGSTOP)
        os.kill(0, signal.SIGTSTP)
        """,
    )
