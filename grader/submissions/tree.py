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
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Selection:
    """What is read of a folder, as nbgrader's `CourseDirectory` says what is copied.

    ignore: patterns of names of files and folders that are left out. include: patterns of names,
    one of which a file matches. file_bytes: a larger file is left out, or refused where it is a
    notebook. folder_bytes: all files together; more is refused.
    """

    ignore: Collection[str] = ()
    include: Collection[str] = ("*",)
    file_bytes: int = 10**8
    folder_bytes: int = 10**8


def read_tree(folder: int, selection: Selection) -> dict[str, bytes]:
    """The plain files below an open folder, by path; links, pipes and the like are left out.

    Raises TooLarge (also for too many files, or too deep a folder) and OSError.
    """
    tree = _Tree(selection)
    tree.read(folder, "", MAX_DEPTH)
    return tree.files


class _Tree:
    def __init__(self, selection: Selection) -> None:
        self.files: dict[str, bytes] = {}
        self._selection = selection
        self._room = selection.folder_bytes
        self._entries = MAX_ENTRIES

    def read(self, folder: int, inside: str, depth: int) -> None:
        if not depth:
            raise TooLarge(f"it has folders in folders, more than {MAX_DEPTH} deep")
        with os.scandir(folder) as entries:
            for entry in entries:
                self._entries -= 1
                if self._entries < 0:
                    raise TooLarge(f"it has more than {MAX_ENTRIES} files and folders")
                if _matches(entry.name, self._selection.ignore):
                    continue
                path = os.path.join(inside, entry.name)
                if len(os.fsencode(path)) > MAX_PATH_BYTES:
                    raise TooLarge(f"it has a path of more than {MAX_PATH_BYTES} bytes")
                if entry.is_dir(follow_symlinks=False):
                    with opened(entry.name, folder) as below:
                        self.read(below, path, depth - 1)
                elif entry.is_file(follow_symlinks=False) and _matches(
                    entry.name, self._selection.include
                ):
                    self._read_file(folder, entry.name, path)

    def _read_file(self, folder: int, name: str, path: str) -> None:
        with open(os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=folder), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return
            if status.st_size > self._selection.file_bytes:
                if name.endswith(".ipynb"):
                    raise _too_large(path, self._selection.file_bytes, "max_file_size")
                return
            self._room -= status.st_size
            if self._room < 0:
                raise _too_large("it", self._selection.folder_bytes, "max_dir_size")
            self.files[path] = file.read(status.st_size)


def _matches(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _too_large(what: str, most: int, option: str) -> TooLarge:
    return TooLarge(f"{what} has more than {most / 10**6:.3g} MB (CourseDirectory.{option})")
