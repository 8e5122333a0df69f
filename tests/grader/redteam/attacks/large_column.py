"""Answers with a column of thirty million bytes: as a list of lists, gigabytes (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        from grader.inside import codec

        class Lie:
            pass

        def write(encoder, value):
            encoder._place(bytes(30_000_000))
            return ["a", 1, True, 30_000_000, 1]

        codec._WRITERS[Lie] = write
        return Lie()
        """,
    )
