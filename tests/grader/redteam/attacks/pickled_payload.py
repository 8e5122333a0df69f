"""Returns objects that run code where they are unpickled or copied (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import os


        class Payload:
            def __reduce__(self):
                return os._exit, (0,)

            def __deepcopy__(self, memo):
                os._exit(0)

            __copy__ = __reduce_ex__ = __getstate__ = __deepcopy__
        """,
    )
    forge(notebook, "[Payload(), {'removed': Payload()}]")
