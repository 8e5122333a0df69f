"""Hands in JSON that is no notebook (point 5)."""

import json

from redteam.tools import World

BASE = "honest"
REFUSED = "not a notebook"


def attack(notebook, world: World) -> bytes:
    return json.dumps([{"cells": "none"}, 1]).encode()
