"""Returns arrays of a class whose comparisons and lists lie (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import numpy as np


        class Lying(np.ndarray):
            def tolist(self):
                return [3.0, 6.0]

            def __eq__(self, other):
                return np.ones(np.shape(other), bool)

            def __array_function__(self, function, types, args, kwargs):
                return True

            def __array_ufunc__(self, *args, **kwargs):
                return 0.0
        """,
    )
    forge(notebook, "np.zeros(5).view(Lying)")
