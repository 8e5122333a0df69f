"""Replaces the builtins that checks are made of (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import builtins

        builtins.abs = builtins.len = lambda *a: -1
        builtins.isinstance = builtins.all = lambda *a: True
        builtins.int = builtins.float = lambda *a: 12
        """,
    )
    forge(notebook, "12")
