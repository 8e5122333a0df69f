"""Returns arrays of objects, records, dates and texts (point 4)."""

from redteam.tools import World, in_scale

BASE = "honest"
COSTS = ("test_scale", "test_scale-random")
LIMITS = "short"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        return [
            np.array([object(), values], dtype=object),
            np.zeros(3, dtype=[("x", "f4"), ("y", "O")]),
            np.array(["2020-01-01"], dtype="datetime64[D]"),
            np.array(["text"]),
            np.zeros((1,) * 32)[..., None].squeeze(),
            np.longdouble(1),
            np.void(b"x"),
        ]
        """,
    )
