"""Returns integers of thousands of digits and texts of many megabytes (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        return [10**5000, -(2**1000), "x" * 2**25, b"x" * 2**24, 1e308 * 10]
        """,
    )
