"""Returns an object that equals and satisfies everything (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        class Agreeing:
            def __init__(self, *args, **kwargs):
                pass

            def yes(self, *args, **kwargs):
                return True

            def itself(self, *args, **kwargs):
                return self

            __eq__ = __le__ = __ge__ = __lt__ = __gt__ = __contains__ = __bool__ = yes
            __abs__ = __sub__ = __rsub__ = __mul__ = __getitem__ = __call__ = __getattr__ = itself
            __ne__ = lambda self, other: False
            __hash__ = lambda self: 0
            __len__ = lambda self: 5
            __iter__ = lambda self: iter((self, self))
            __class__ = property(lambda self: list)
        """,
    )
    forge(notebook, "Agreeing()")
