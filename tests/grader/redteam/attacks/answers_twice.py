"""Forks in a call, so that two processes answer (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import os


        def both():
            return [3.0, 6.0] if os.fork() else 4.0
        """,
    )
    forge(notebook, "both()")
