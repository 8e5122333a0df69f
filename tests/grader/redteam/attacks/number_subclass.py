"""Returns numbers of classes whose arithmetic lies (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        class Close(float):
            def __sub__(self, other):
                return 0.0

            __rsub__ = __abs__ = __mod__ = __sub__

            def __eq__(self, other):
                return True

            def __le__(self, other):
                return True

            __hash__ = float.__hash__
        """,
    )
    forge(notebook, "Close(1.5)")
