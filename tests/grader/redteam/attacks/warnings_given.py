"""Warns, on stderr and through NumPy, in right code (point 6)."""

from redteam.tools import World, in_scale

BASE = "honest"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        import sys
        import warnings

        warnings.warn("this takes long")
        np.zeros(1) / 0
        print("working", file=sys.stderr)
        """,
    )
