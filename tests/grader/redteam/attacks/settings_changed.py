"""Changes NumPy's print and error settings and the locale (point 6)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import decimal
        import locale
        import sys

        import numpy as np

        np.set_printoptions(precision=1, threshold=2)
        np.seterr(all="raise")
        sys.setrecursionlimit(200)
        decimal.getcontext().prec = 1
        locale.setlocale(locale.LC_ALL, "C")
        """,
    )
