"""Sets and uses up the global random states (point 6)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import random

        random.seed(1)
        np_random = __import__("numpy").random
        np_random.seed(1)
        np_random.rand(1000)
        random.random()
        """,
    )
