"""Answers with eighty thousand handles whose numbers all have one hash (point 4)."""

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
            return ["l", *[["h", "Loss", i * (2**61 - 1)] for i in range(1, 80_000)]]

        codec._WRITERS[Lie] = write
        return Lie()
        """,
    )
