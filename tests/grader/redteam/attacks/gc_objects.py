"""Looks for verdicts among all objects and sets them (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import gc

        for thing in gc.get_objects():
            if type(thing) is dict and {"passed", "points", "grade_id"} & set(map(str, thing)):
                for key in list(thing):
                    if key in ("passed", "points"):
                        thing[key] = 32
            if type(thing).__name__ in ("Examination", "Calls", "Channel", "Verdict"):
                raise SystemExit("found the examiner")
        """,
    )
    forge(notebook, "None")
