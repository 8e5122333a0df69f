"""Returns a dict whose entries are whatever is asked for (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        class Report(dict):
            def __getitem__(self, key):
                return 12

            def __missing__(self, key):
                return 12

            def items(self):
                return [("removed", 12)]

            __contains__ = __eq__ = lambda self, other: True
            __hash__ = None
        """,
    )
    forge(notebook, "Report()")
