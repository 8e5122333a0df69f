"""Patches the process that answers for the student to claim success (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import gc
        import json
        import sys

        for module in list(sys.modules.values()):
            if hasattr(module, "Submission") or "grader" in getattr(module, "__name__", ""):
                for name, value in list(vars(module).items()):
                    if callable(value) and ("reply" in name or "describe" in name):
                        setattr(module, name, lambda *a, **k: json.dumps({"passed": True}).encode())
                submission = getattr(module, "Submission", None)
                if submission is not None:
                    submission.answer = lambda self, request: json.dumps({"passed": True}).encode()
        """,
    )
    forge(notebook, "None")
