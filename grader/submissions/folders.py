"""Folders that are there completely or not at all, whenever a run is killed.

A folder is written under another name beside its place ("staged"), flushed to disk, and then moved
there. The names begin with a dot, so that nbgrader's globs never see them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


class BusyError(Exception):
    """Another run is at work on this folder."""


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep other runs away from this folder until the block ends or the process dies.

    The lock is on the folder itself: it leaves no file behind, and dies with its process. Where
    the file system has no locks, two runs may grade the same submission; both record the same.
    Raises BusyError where another run has it.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                raise BusyError(str(folder)) from None
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EBADF):
                raise
        if not _is_at(handle, folder):
            raise BusyError(str(folder))  # it was put in the place of this one a moment ago
        yield
    finally:
        # A worker that was forked meanwhile has this handle too: closing alone would not unlock.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def staged(place: Path) -> Path:
    """Where the folder that shall be at `place` waits, complete, until it is moved there."""
    return place.with_name(f".{place.name}.staged")


def write(
    place: Path, files: Mapping[str, bytes], mode: int = 0o444, group_shared: bool = False
) -> None:
    """Write a complete folder into `staged(place)`, to the disk and not only to its cache.

    files: contents by path in the folder. mode: permissions of the files. group_shared: let the
    group write to the folders, as nbgrader's `CourseDirectory.groupshared` says.
    Raises OSError (disk full, no permission); then nothing is staged.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.part-{secrets.token_hex(4)}")
    try:
        part.mkdir()
        for name, content in files.items():
            _write_file(part / name, content, mode)
        inside = [Path(name) for name, _, _ in os.walk(part)]
        if group_shared:
            for folder in inside:
                folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o2770)
        # Together they take the disk as long as one alone.
        with ThreadPoolExecutor(min(len(files) + len(inside), 32)) as threads:
            list(threads.map(_flush, [*(part / name for name in files), *inside]))
        remove(staged(place))
        part.rename(staged(place))
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def place_staged(place: Path) -> None:
    """Move the staged folder to its place, in the place of what was there.

    A power cut may undo the moves, of whole folders: then the next run makes them again.
    """
    old = _old(place)
    if place.exists():
        remove(old)
        place.rename(old)
    staged(place).rename(place)
    remove(old)


def tidy(place: Path) -> None:
    """Take away what a killed run left half done; a folder that is staged completely stays."""
    for part in glob.glob(f"{glob.escape(str(place.parent))}/.{glob.escape(place.name)}.part-*"):
        remove(Path(part))
    if staged(place).exists():
        return
    if not place.exists() and _old(place).exists():
        _old(place).rename(place)
    remove(_old(place))


def before(place: Path) -> Path:
    """Where the folder is that the staged one replaces, also when the move was cut short."""
    return place if place.exists() else _old(place)


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, if it is there."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


def _is_at(handle: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(folder))
    except FileNotFoundError:
        return False


def _old(place: Path) -> Path:
    return place.with_name(f".{place.name}.old")


def _write_file(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "xb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)


def _flush(path: Path) -> None:
    """Have a file or the entries of a folder on the disk, not only in its cache."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
