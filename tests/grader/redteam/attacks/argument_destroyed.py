"""Leaves its arguments in states that no layer or array has (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        values.resize(0, refcheck=False)
        values.flags.writeable = False
        try:
            values.shape = (0, 2**31 - 1)
        except (ValueError, AttributeError):
            pass
        return 1
        """,
    )
