"""Makes namespaces and mounts, traces processes, changes root and user (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import ctypes
        import os
        import subprocess

        libc = ctypes.CDLL(None)
        for flags in (0x10000000, 0x20000, 0x20000000, 0x40000000, 0x10020000):
            print(libc.unshare(flags) == 0 and REACHED)
        print(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0 and REACHED)
        print(libc.umount2(b"/proc", 2) == 0 and REACHED)
        print(libc.ptrace(16, GRADER, 0, 0) == 0 and REACHED)
        print(libc.syscall(435, bytes(88), 88) > 0 and REACHED)
        for call in (os.setuid, os.setgid, os.setreuid and os.setuid):
            try:
                call(1)
                print(REACHED)
            except OSError:
                pass
        try:
            os.chroot("/tmp")
            print(REACHED)
        except OSError:
            pass
        for command in (["unshare", "-Ur", "true"], ["bwrap", "--dev-bind", "/", "/", "true"]):
            try:
                print(subprocess.run(command, capture_output=True).returncode == 0 and REACHED)
            except OSError:
                pass
        """,
    )
