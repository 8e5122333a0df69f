"""What a process and all its descendants use: processor time and memory."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            children.setdefault(int(_stat(int(entry))[1]), []).append(int(entry))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the family, children that ended and were waited for included."""
    ticks = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            ticks += sum(map(int, _stat(each)[11:15]))
    return ticks / _TICK


def pss_mb(pids: list[int]) -> float:
    """Memory of the processes in MB, pages that several share divided among them."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            text = Path("/proc", str(pid), "smaps_rollup").read_text()
            total += sum(int(kb) for kb in re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE))
    return total / 1024


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on (the third)."""
    return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
