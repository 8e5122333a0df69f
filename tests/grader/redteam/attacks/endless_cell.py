"""Never ends a cell of its own; what the other cells define is graded (point 4)."""

from redteam.tools import World, own_cell

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        while True:
            pass
        """,
    )
