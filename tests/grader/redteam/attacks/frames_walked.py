"""Walks the frames above a call and sets what looks like a verdict (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import ctypes
        import sys


        def walk():
            frame = sys._getframe()
            while frame is not None:
                for names in (frame.f_globals, frame.f_locals):
                    for name in ("passed", "points", "message", "verdict", "score", "failure"):
                        names[name] = {"message": None}.get(name, True)
                    names["np"] = names["assert_report"] = lambda *a: True
                ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
                frame = frame.f_back
            return 12
        """,
    )
    forge(notebook, "walk()")
