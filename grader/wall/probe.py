"""The proof, at start-up, that the wall stands: what must be refused is tried from inside."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from grader.wall.channel import Channel
from grader.wall.sandbox import Sandbox, WallError

_ATTEMPTS = """
import ctypes, importlib, json, os, resource, signal, socket, sys

def attempt(action):
    try:
        return action() is not False
    except (OSError, ImportError):
        return False

def write(folder):
    path = folder.rstrip("/") + "/probe"
    with open(path, "w"):
        pass
    os.remove(path)

def unlimited(kind):
    return resource.getrlimit(kind)[0] == resource.RLIM_INFINITY

given = json.loads(GIVEN)
succeeded = {
    **{f"write to {folder}": attempt(lambda: write(folder))
       for folder in ["/", "/dev", "/usr/lib", "/wall", *sys.path] if os.path.isdir(folder)},
    **{f"see {path}": os.path.lexists(path) for path in given["hidden"]},
    "see processes": attempt(lambda: bool(os.listdir("/proc"))),
    "open a socket": attempt(socket.socket),
    "open a local socket": attempt(lambda: socket.socket(socket.AF_UNIX)),
    "signal another process": any(
        attempt(lambda: os.kill(pid, 0)) for pid in (2, 3, os.getppid() or 2, *given["processes"])),
    "make a namespace": ctypes.CDLL(None).unshare(0x10000000) == 0,
    "mount": ctypes.CDLL(None).mount(b"x", b"/tmp", b"tmpfs", 0, None) == 0,
    "change the user": attempt(lambda: os.setuid(12345)),
    "import the solution": attempt(lambda: importlib.import_module("tinytorch.core.compression")),
    "import the grader": attempt(lambda: importlib.import_module("grader.wall.examiner")),
    "use memory without limit": unlimited(resource.RLIMIT_AS),
    "start processes without limit": unlimited(resource.RLIMIT_NPROC),
    "write files without limit": unlimited(resource.RLIMIT_FSIZE),
    "use the processor without limit": unlimited(resource.RLIMIT_CPU),
}
write(os.getcwd())
print(json.dumps([what for what, done in succeeded.items() if done]))
"""


def prove(sandbox: Sandbox) -> None:
    """Try from inside what a submission must not be able to do.

    Raises WallError naming each attempt that succeeded, or where the probe could not run.
    """
    given = json.dumps({"hidden": _to_hide(sandbox.hidden), "processes": [os.getpid()]})
    channel = Channel(sandbox)
    try:
        result = channel.run_cell(f"GIVEN = {given!r}\n{_ATTEMPTS}")
        said = "".join(output.get("text", "") for output in result.outputs)
        succeeded = json.loads(said)
    except ValueError as error:
        why = said or result.failure
        raise WallError(f"the wall could not be probed from inside: {why}") from error
    finally:
        channel.close()
    if succeeded:
        raise WallError(
            f"the wall does not hold; from inside it was possible to: {', '.join(succeeded)}. "
            "Nothing was graded."
        )


def _to_hide(folders: tuple[Path, ...]) -> list[str]:
    """What is in the folders, but for a Python installation in one of them."""
    home = Path(os.path.expanduser("~"))
    if home != Path("/"):  # of an account that has none, as in a container
        folders = (*folders, home)
    entries = [entry for folder in folders for entry in _entries(folder)]
    shown = os.path.realpath(sys.base_prefix)
    return [str(entry) for entry in entries[:500] if not shown.startswith(str(entry))]


def _entries(folder: Path) -> list[Path]:
    """A folder's entries; none where there is no such folder (an account without a home) or where
    this account may not look into it, and so the one behind the wall cannot either."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
