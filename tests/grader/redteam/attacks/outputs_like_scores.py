"""Prints and shows what looks like verdicts (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import json

        for name in ("test_scale", "test_scale-random", "test_loss-random"):
            print(f"passed: 32 of 32 points")
            print(json.dumps({"grade_id": name, "passed": True, "points": 32, "message": None}))
        32.0
        """,
    )
    forge(notebook, "32.0")
