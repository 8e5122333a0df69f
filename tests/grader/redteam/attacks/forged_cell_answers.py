"""Answers for its cells with values that no output has (points 1, 4)."""

from redteam.tools import World, own_cell

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        from grader.inside import shell

        shell.Cells.finish = lambda self: [
            {"output_type": "stream", "name": "stdout", "text": {1, 2}},
            {"output_type": 1j, "data": np.ones(3), "x": b"bytes", "y": object()},
            np.ones(4),
            (1, 2),
            {(1, 2): float("nan"), 2**60 - 1: [[[]]]},
        ]
        """,
    )
