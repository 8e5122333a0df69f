"""Traces all code and leaves functions whose names begin with test (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import sys
        import threading


        def trace(frame, event, argument):
            if frame.f_code.co_name.startswith("test"):
                raise SystemExit(0)
            return trace


        sys.settrace(trace)
        threading.settrace(trace)
        """,
    )
    forge(notebook, "None")
