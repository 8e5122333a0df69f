"""Says that tens of megabytes were printed, in every answer (point 4)."""

from redteam.tools import World, own_cell

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        from grader.inside import shell

        text = "x" * (20 * 2**20)
        one = {"output_type": "stream", "name": "stdout", "text": text}
        shell.Cells.finish = lambda self: [one]
        """,
    )
