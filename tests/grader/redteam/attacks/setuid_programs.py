"""Runs programs that have other rights, and makes such (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os
        import shutil
        import subprocess

        for command in (["su", "-c", "id"], ["sudo", "-n", "id"], ["mount"], ["passwd", "-S"]):
            try:
                done = subprocess.run(command, capture_output=True, timeout=1)
                print(command[0] in ("su", "sudo") and done.returncode == 0 and REACHED)
            except (OSError, subprocess.TimeoutExpired):
                pass
        if os.path.exists("/bin/true") and not os.path.exists("root"):
            shutil.copy("/bin/true", "root")
            os.chmod("root", 0o4755)
            for kind in (0o60000, 0o20000):
                try:
                    os.mknod(f"disk{kind}", kind | 0o666, os.makedev(8, 1))
                    print(REACHED)
                except OSError:
                    pass
        """,
    )
