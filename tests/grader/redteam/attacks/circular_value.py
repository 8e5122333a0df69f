"""Returns a list that contains itself, and changes its argument into one (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        value = [1, 2]
        value.append(value)
        return value
        """,
    )
