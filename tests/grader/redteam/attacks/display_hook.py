"""Shows a score in place of whatever a cell ends with (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import sys

        hook = type(sys.displayhook)
        hook.__call__ = lambda self, result=None: print(63.0)
        get_ipython().events.register("post_run_cell", lambda result: print("63.0"))
        get_ipython().display_pub.publish({"text/plain": "63.0"})
        """,
    )
    forge(notebook, "63.0")
