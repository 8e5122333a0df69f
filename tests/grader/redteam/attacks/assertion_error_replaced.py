"""Replaces AssertionError by a warning (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import builtins


        class Quiet(Warning):
            def __new__(cls, *args):
                return SystemExit(0)


        builtins.AssertionError = Quiet
        """,
    )
    forge(notebook, "None")
