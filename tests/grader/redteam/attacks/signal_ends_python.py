"""Ends Python with success from a signal's handler in the middle of a check (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import os
        import signal
        import time

        signal.signal(signal.SIGALRM, lambda *a: os._exit(0))


        def leave():
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            time.sleep(0.5)
        """,
    )
    forge(notebook, "leave()")
