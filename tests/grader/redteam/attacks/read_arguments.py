"""Prints what hidden checks pass, and who refers to it (point 2)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import gc

        print(given, [type(x).__mro__ for x in given])
        for thing in given:
            for holder in gc.get_referrers(thing):
                print(type(holder), str(holder)[:500])
            print(getattr(thing, "base", None), getattr(thing, "__dict__", None))
        """,
    )
