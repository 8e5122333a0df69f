"""Makes NumPy's comparisons say yes to everything (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import numpy as np

        np.array_equal = np.allclose = np.isclose = lambda *a, **k: True
        np.shape = lambda *a: (5,)
        np.abs = np.mean = np.sort = lambda *a, **k: 0
        """,
    )
    forge(notebook, "np.zeros(5)")
