"""Lets a thread patch things while the checks are at work (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import threading
        import time

        import numpy as np


        def patch():
            for _ in range(2000):
                np.array_equal = lambda *a, **k: True
                for frame in __import__("sys")._current_frames().values():
                    frame.f_globals["abs"] = lambda *a: -1
                    frame.f_globals["passed"] = True
                time.sleep(0.001)


        threading.Thread(target=patch, daemon=True).start()
        """,
    )
    forge(notebook, "np.zeros(5)")
