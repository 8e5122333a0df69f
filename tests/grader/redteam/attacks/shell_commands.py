"""Uses magics and shell commands for all of this (points 3, 6)."""

from redteam.tools import World, own_cell

BASE = "honest"
LIMITS = "short"


def attack(notebook, world: World) -> None:
    commands = (
        f"!rm -rf {world.course} {world.canary}; cat {world.canary}/canary.txt",
        f"%%bash\ntouch {world.canary}/{world.mark}; ls -la {world.course}; (sleep 600; true) &",
        "%load_ext sql\n%run missing.py\n%cd /\n%env",
        f"%%writefile {world.course}/{world.mark}\nhello",
        "%%javascript\nalert(1)",
        "%lsmagic\n%who",
        "%autoreload 2\n%pdb on\n%xmode Verbose\n%colors Linux",
    )
    for command in commands:
        own_cell(notebook, command)
