"""Answers for cells with an array of a hundred thousand sides, whose product is a number of
millions of bits; no time limit holds while a cell's answer is read (point 4)."""

from redteam.tools import World, own_cell

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(notebook, "1")
    own_cell(notebook, "2")
    own_cell(
        notebook,
        """
        from grader.inside import codec, shell

        class Lie:
            pass

        codec._WRITERS[Lie] = lambda encoder, value: ["a", 1, True, *[2**31 - 1] * 120_000, 0]
        shell.Cells.finish = lambda self: [Lie()]
        """,
    )
