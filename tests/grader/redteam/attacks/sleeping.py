"""Sleeps, in Python and in a child that holds the pipe (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        import subprocess

        subprocess.run(["sleep", "1000"], stdout=subprocess.PIPE)
        """,
    )
