"""Answers for a cell with a complex number whose real part is no float (point 3)."""

from redteam.tools import World, own_cell

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        from grader.inside import codec, shell

        class Lie:
            pass

        codec._WRITERS[Lie] = lambda encoder, value: ["j", 10**400, 0]
        shell.Cells.finish = lambda self: [Lie()]
        """,
    )
