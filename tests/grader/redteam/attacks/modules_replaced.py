"""Replaces modules by objects that agree with everything (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import sys
        import types


        class Agreeing(types.ModuleType):
            def __getattr__(self, name):
                return lambda *a, **k: True


        for name in ("numpy", "math", "tinytorch.core.layers", "unittest", "numpy.testing"):
            sys.modules[name] = Agreeing(name)
        """,
    )
    forge(notebook, "True")
