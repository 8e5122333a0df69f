"""Makes every layer look pruned by patching tinytorch (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import numpy as np

        import tinytorch.core.layers as layers
        import tinytorch.core.tensor as tensor

        tensor.Tensor.data = property(lambda self: np.zeros((6, 4), np.float32))
        layers.Dense.weights = property(lambda self: tensor.Tensor(np.zeros((6, 4))))
        layers.Dense.__eq__ = tensor.Tensor.__eq__ = lambda self, other: True
        """,
    )
    forge(notebook, "(layers.Dense(6, 4), {'removed': 12})")
