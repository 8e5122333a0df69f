"""Start a program as an ordinary user although root started us: `unprivileged.py UID PROGRAM ...`.

Folders named by `--ro-bind` and the program may be where only root can go (a Python installation
under /root, say). So root binds each of them, in a mount namespace of its own, to a place that
everybody can reach, and then gives up its rights for good. Where root may not mount (a container),
the paths stay as they are, and it stops if one of them is out of reach.
"""

import ctypes
import os
import stat
import sys

_CLONE_NEWNS = 0x00020000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 0x1000, 0x4000, 0x40000
_STAGE = "/tmp"
_libc = ctypes.CDLL(None, use_errno=True)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    result = _libc.mount(
        source.encode(), target.encode(), kind and kind.encode(), flags, options.encode()
    )
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def stage(paths: list[str]) -> list[str]:
    """Places that everybody can reach, one for each of the paths."""
    if _libc.unshare(_CLONE_NEWNS) != 0:
        return paths
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    opened = [os.open(path, os.O_PATH | os.O_CLOEXEC) for path in paths]
    _mount("stage", _STAGE, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755")
    places = []
    for number, descriptor in enumerate(opened):
        place = f"{_STAGE}/{number}"
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.mkdir(place)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o644))
        _mount(f"/proc/self/fd/{descriptor}", place, None, _MS_BIND | _MS_REC)
        places.append(place)
    return places


def main(uid: int, program: str, arguments: list[str]) -> None:
    indices = [i + 1 for i, word in enumerate(arguments) if word == "--ro-bind"]
    sources = [program, *(arguments[i] for i in indices)]
    places = stage(sources)
    reachable = places[0]
    for i, source, place in zip(indices, sources[1:], places[1:], strict=True):
        arguments[i] = place
        if program.startswith(f"{source}/"):  # with the libraries that lie beside it
            reachable = place + program.removeprefix(source)
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except OSError:
        sys.exit(f"root may not become the user {uid} here: grade as an ordinary user")
    for place in places:
        if not os.access(place, os.R_OK):
            sys.exit(
                f"root may not mount here, and the user {uid}, whom it becomes, cannot reach "
                f"{place}: grade as an ordinary user, or put it where everybody can reach it"
            )
    os.execv(reachable, [program, *arguments])


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
