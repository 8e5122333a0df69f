"""Returns large values, which must not count against later submissions (points 3, 4)."""

from redteam.tools import World, answer, in_scale

BASE = "honest"
TWICE = True
COSTS = ("test_scale", "test_scale-random", "test_prune", "test_prune-random")


def attack(notebook, world: World) -> None:
    in_scale(
        notebook, "raise ValueError(values) if factor == 3.0 else None\nreturn np.ones(7 * 2**20)"
    )
    answer(
        notebook,
        "prune",
        """
        def prune(layer, ratio=0.5):
            layer.weights = np.ones((2**11, 2**12))
            return layer, {"removed": [np.ones(2**20)] * 7}
        """,
    )
