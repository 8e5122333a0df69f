"""Returns an array that says it has billions of entries (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        return np.broadcast_to(np.float64(1), (2**20, 2**20))
        """,
    )
