"""Returns a dict whose keys all have one hash (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        return {i * (2**61 - 1): 0 for i in range(1, 15_000)}
        """,
    )
