"""Read a folder that somebody else may change at the same moment.

Every step goes from an open folder to a name in it and follows no link, so that nothing which is
swapped meanwhile leads elsewhere. What a folder costs is known before it is read.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from grader.submissions.submission import TooLarge

MAX_ENTRIES = 1000
MAX_DEPTH = 20
MAX_PATH_BYTES = 1000
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def opened(path: str | Path, above: int | None = None) -> Iterator[int]:
    """A folder's handle, until the block ends.

    path: one of the course's own, or a name in the open folder `above`; then it may be no link.
    Raises OSError.
    """
    no_link = os.O_NOFOLLOW if above is not None else 0
    handle = os.open(path, _FLAGS | os.O_DIRECTORY | no_link, dir_fd=above)
    try:
        yield handle
    finally:
        os.close(handle)


def read_tree(folder: int, ignore: Collection[str], limit: int) -> dict[str, bytes]:
    """The plain files below an open folder, by path; links, pipes and the like are left out.

    ignore: patterns of names that are left out. limit: bytes of all files together.
    Raises TooLarge (also for too many files, or too deep a folder) and OSError.
    """
    tree = _Tree(ignore, limit)
    tree.read(folder, "", MAX_DEPTH)
    return tree.files


class _Tree:
    def __init__(self, ignore: Collection[str], limit: int) -> None:
        self.files: dict[str, bytes] = {}
        self._ignore = ignore
        self._limit = self._room = limit
        self._entries = MAX_ENTRIES

    def read(self, folder: int, inside: str, depth: int) -> None:
        if not depth:
            raise TooLarge(f"it has folders in folders, more than {MAX_DEPTH} deep")
        with os.scandir(folder) as entries:
            for entry in entries:
                self._entries -= 1
                if self._entries < 0:
                    raise TooLarge(f"it has more than {MAX_ENTRIES} files and folders")
                if any(fnmatch.fnmatch(entry.name, pattern) for pattern in self._ignore):
                    continue
                path = os.path.join(inside, entry.name)
                if len(os.fsencode(path)) > MAX_PATH_BYTES:
                    raise TooLarge(f"it has a path of more than {MAX_PATH_BYTES} bytes")
                if entry.is_dir(follow_symlinks=False):
                    with opened(entry.name, folder) as below:
                        self.read(below, path, depth - 1)
                elif entry.is_file(follow_symlinks=False):
                    self._read_file(folder, entry.name, path)

    def _read_file(self, folder: int, name: str, path: str) -> None:
        with open(os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=folder), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return
            self._room -= status.st_size
            if self._room < 0:
                raise TooLarge(f"it has more than {self._limit / 2**20:.3g} MB")
            self.files[path] = file.read(status.st_size)
