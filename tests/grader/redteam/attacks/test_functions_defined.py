"""Defines the checks' own functions beforehand (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        test_scale = test_prune = test_loss = lambda: None
        test_scale_random = test_prune_random = test_loss_random = lambda: None
        __name__ = "passed"
        """,
    )
    forge(notebook, "None")
