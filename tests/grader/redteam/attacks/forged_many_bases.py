"""Raises an exception of a hundred thousand builtin classes, which takes hours to make sense of."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import sys
        from grader.inside import codec

        TOLD = [["raised", ["ValueError"] * 100_000, "E", "told", []]]


        def lie():
            frame = sys._getframe()
            while "self" not in frame.f_locals or not hasattr(frame.f_locals["self"], "_reply"):
                frame = frame.f_back
            message = codec.Encoder(number=False).message("", [], TOLD)
            frame.f_locals["self"]._reply = lambda *_: message
        """,
    )
    forge(notebook, "lie()")
