"""Asks for input, which nobody gives (point 6)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import getpass
        import sys

        input("press Enter")
        sys.stdin.readline() if sys.stdin else None
        """,
    )
