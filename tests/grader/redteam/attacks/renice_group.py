"""Slows down the processes that started it, for later submissions too (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os

        for kind in (os.PRIO_PGRP, os.PRIO_USER, os.PRIO_PROCESS):
            try:
                os.setpriority(kind, 0, 10)
            except OSError:
                pass
        try:
            os.setpriority(os.PRIO_PROCESS, GRADER, 10)
        except OSError:
            pass
        """,
    )
