"""A processor for the processes of one wall, which no other wall on this machine has.

Examiner and submission take turns. Left to themselves each of them wakes the other on another
processor, whose caches are cold and which may be at rest, in a virtual machine even lent to another
one: that costs more than most of the calls that cross.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from dataclasses import dataclass

_NAME = "\0tinytorch-grader-processor-{}"  # abstract: it is gone with the process that has it


@dataclass
class Processor:
    """A claimed processor, kept until it is released or this process ends.

    number: of the processor; None where none was free.
    """

    number: int | None = None
    _claim: socket.socket | None = None

    @classmethod
    def claim(cls) -> Processor:
        """Claim one of those that this process may use, the one that it is on if that is free."""
        if sys.platform != "linux":
            return cls()
        allowed = os.sched_getaffinity(0)
        for number in sorted(allowed, key=_here().__ne__):
            claim = socket.socket(socket.AF_UNIX)
            try:
                claim.bind(_NAME.format(number))
            except OSError:
                claim.close()
            else:
                return cls(number, claim)
        return cls()

    def stay(self) -> None:
        """Run there alone from now on. Where that cannot be, nothing but time is lost."""
        if self.number is not None:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, {self.number})

    def release(self) -> None:
        """Leave it to another wall."""
        if self._claim is not None:
            self._claim.close()


def _here() -> int:
    """The processor that this process is on (proc(5), /proc/pid/stat)."""
    with open("/proc/self/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[36])
