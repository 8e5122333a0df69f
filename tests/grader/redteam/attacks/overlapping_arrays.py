"""Answers with thousands of arrays that all claim the same megabytes of the message (point 4)."""

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
            first = encoder.outline(np.zeros(4 * 2**20))
            return ["l", *[first] * 5000]

        codec._WRITERS[Lie] = write
        return Lie()
        """,
    )
