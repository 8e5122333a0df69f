"""Keeps IPython from showing any error (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        shell = get_ipython()
        shell.showtraceback = shell._showtraceback = shell.showsyntaxerror = lambda *a, **k: None
        shell.set_custom_exc((BaseException,), lambda *a, **k: [])
        import sys

        sys.excepthook = lambda *a: None
        """,
    )
    forge(notebook, "None")
