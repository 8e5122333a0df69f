"""Raises and prints tracebacks whose frames might show the check (points 2, 6)."""

from redteam.tools import World, in_scale

BASE = "honest"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        import sys
        import traceback

        try:
            raise KeyError("quokka")
        except KeyError as error:
            print(traceback.format_exc())
            error.add_note("seen")
            traceback.walk_tb(error.__traceback__)
            print(sys.exc_info(), error.__traceback__.tb_frame.f_back.f_locals.keys())
        """,
    )
