"""Returns the very layer, with a class that shows other weights (point 1)."""

from redteam.tools import World, answer

BASE = "untouched"


def attack(notebook, world: World) -> None:
    answer(
        notebook,
        "prune",
        """
class Lying(Dense):
    @property
    def weights(self):
        return type("Fake", (), {"data": np.zeros((6, 4)), "shape": (6, 4)})()

    @weights.setter
    def weights(self, value):
        pass


def prune(layer, ratio=0.5):
    layer.__class__ = Lying
    return layer, {"removed": 12, "sparsity": ratio}
        """,
    )
