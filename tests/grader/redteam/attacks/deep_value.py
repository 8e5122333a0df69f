"""Returns lists in lists, thousands deep (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        value = []
        for _ in range(100_000):
            value = [value]
        return value
        """,
    )
