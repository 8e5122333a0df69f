"""Says that a cell had a hundred thousand outputs (point 4)."""

from redteam.tools import World, own_cell

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        from grader.inside import shell

        one = {"output_type": "stream", "name": "stdout", "text": "x"}
        shell.Cells.finish = lambda self: [dict(one) for _ in range(30_000)]
        """,
    )
