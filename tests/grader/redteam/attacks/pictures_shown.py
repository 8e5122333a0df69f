"""Draws and shows pictures, in cells and in functions (point 6)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import matplotlib.pyplot as plt

        plt.figure()
        plt.plot([1, 2])
        plt.show()
        """,
    )
