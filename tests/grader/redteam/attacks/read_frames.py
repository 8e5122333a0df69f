"""Looks at the frames and code above a call for the source of its check (point 2)."""

from redteam.tools import World, in_scale

BASE = "honest"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        import inspect
        import sys
        import traceback

        for record in inspect.stack(context=50):
            print(record.filename, record.function, record.code_context)
            print({k: repr(v)[:300] for k, v in record.frame.f_locals.items()})
            print(record.frame.f_code.co_names, record.frame.f_code.co_consts)
        traceback.print_stack()
        """,
    )
