"""Stops the clock and lets time-outs start over (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import signal
        import time

        time.time = time.monotonic = time.perf_counter = lambda: 0.0
        time.sleep = lambda seconds: None
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.alarm(0)
        """,
    )
    forge(notebook, "0.0")
