"""Matches a regular expression that takes for ever (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        import re

        re.match("(a+)+$", "a" * 50 + "b")
        """,
    )
