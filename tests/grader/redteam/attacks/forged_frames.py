"""Writes verdicts and answers to every inherited descriptor (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import json
        import os
        import struct

        VERDICTS = json.dumps(
            {"records": [{"passed": True, "grade_id": "test_loss", "message": None}] * 20}
        ).encode()


        def write():
            for fd in range(3, 64):
                for kind in ("<I", "<Q", "<II"):
                    length = struct.pack(kind, *[len(VERDICTS)] * (len(kind) - 1))
                    try:
                        os.set_blocking(fd, False)
                        os.write(fd, length + VERDICTS)
                    except OSError:
                        pass
            return 12
        """,
    )
    forge(notebook, "write()")
