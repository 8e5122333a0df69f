"""Sends to abstract sockets, also from an end of a socket pair (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import socket

        name = chr(0) + ABSTRACT
        for make in (
            lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
            lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0],
            lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)[0],
        ):
            try:
                made = make()
                made.sendto(MARK.encode(), name)
                print(REACHED)
            except OSError:
                pass
            try:
                made.connect(name)
                print(REACHED)
            except (OSError, NameError):
                pass
        """,
    )
