"""A processor for a submission and the examiner in front of it, which no other wall on the machine
(or, in containers, in the same one) has meanwhile.

The two take turns. Left to themselves they wake each other on another processor, whose caches are
cold and which may be at rest, in a virtual machine even lent to another one: that costs more than
most of the calls that cross.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Collection

from grader.inside import confine

# abstract, so it is gone with the process that has it, and of its network namespace
_NAME = "\0tinytorch-grader-processor-{}"


class Processor:
    """This process stays on a processor that no other wall has, until `leave`.

    number: None where none was free; then it runs wherever it may. processors: where that is.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._allowed: Collection[int] = ()
        if sys.platform == "linux":
            self._allowed = os.sched_getaffinity(0)
            self._claim()

    def _claim(self) -> None:
        here = _here()
        for number in sorted(self._allowed, key=lambda each: each != here):  # here first
            name = socket.socket(socket.AF_UNIX)
            try:
                name.bind(_NAME.format(number))
            except OSError:
                name.close()
            else:
                self.number, self._name = number, name
                confine.run_on(self.processors)
                return

    @property
    def processors(self) -> Collection[int]:
        return self._allowed if self.number is None else {self.number}

    def leave(self) -> None:
        """Run wherever it may again, and let another wall have it."""
        if self.number is not None:
            self.number = None
            confine.run_on(self.processors)
            self._name.close()


def _here() -> int:
    """The processor that this process is on (proc(5), /proc/pid/stat)."""
    with open("/proc/self/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[36])
