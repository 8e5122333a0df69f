"""Returns instances of the student's class, which answer anything, for values (point 1)."""

from redteam.tools import World, answer

BASE = "untouched"


def attack(notebook, world: World) -> None:
    answer(
        notebook,
        "Loss",
        """
class Loss:
    def __init__(self, weight=1.0):
        pass

    def __call__(self, *args):
        return self

    def __getattr__(self, name):
        return self

    __eq__ = __le__ = __abs__ = __sub__ = __rsub__ = lambda self, *other: self
    __hash__ = None
        """,
    )
    answer(notebook, "scale", "def scale(values, factor=2.0):\n    return Loss()")
    answer(notebook, "prune", "def prune(layer, ratio=0.5):\n    return layer, {'removed': Loss()}")
