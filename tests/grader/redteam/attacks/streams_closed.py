"""Closes and replaces the standard streams (point 6)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import io
        import sys

        sys.stdout.close()
        sys.stderr.close()
        sys.stdout = io.StringIO()
        sys.stdin = None
        """,
    )
