"""What to know about the own machine before starting: `python -m tinytorch.core.setup`.

Prints Python, NumPy, the notebook's packages, memory and cores, then what is missing and how to get
it. The exit code is 1 where something is missing without which nothing works, else 0.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata
from typing import NamedTuple

MINIMUM_PYTHON = "3.11"
MINIMUM_MEMORY = 1.0  # GB, for JupyterLab and the network in it


class Package(NamedTuple):
    """A package, the oldest version that works, and what it is for; `needed` by the library."""

    name: str
    minimum: str
    purpose: str
    needed: bool = False


PACKAGES = (
    Package("numpy", "2.0", "all computing", needed=True),
    Package("jupyterlab", "4.2", "working on the notebook"),
    Package("nbgrader", "0.9.5", "fetching, checking and submitting the assignment"),
    Package("matplotlib", "3.9", "the notebook's pictures"),
)


class Report(NamedTuple):
    """`facts`: what is there, name and value. `missing`: what nothing works without; `advice`: what
    would be better otherwise. Both are sentences that say what to do."""

    facts: dict[str, str]
    missing: list[str]
    advice: list[str]


def check_machine() -> Report:
    """Look at this machine and at this Python; nothing is imported, installed or changed."""
    facts = {"Python": f"{platform.python_version()} ({sys.executable})"}
    missing: list[str] = []
    advice: list[str] = []
    if sys.version_info < _numbers(MINIMUM_PYTHON):
        missing.append(
            f"Python {MINIMUM_PYTHON} or newer is needed: install one from "
            "https://www.python.org/downloads/ and start again with it."
        )
    for package in PACKAGES:
        version = installed_version(package.name)
        facts[package.name] = version or "not installed"
        if version is None or _numbers(version) < _numbers(package.minimum):
            problem = "is missing" if version is None else f"{version} is too old"
            (missing if package.needed else advice).append(
                f"{package.name} {problem}; it is for {package.purpose}. Install it with: "
                f'python -m pip install "{package.name}>={package.minimum}"'
            )
    memory = memory_in_gb()
    facts["memory"] = "unknown" if memory is None else f"{memory:.1f} GB"
    if memory is not None and memory < MINIMUM_MEMORY:
        advice.append(
            f"Less than {MINIMUM_MEMORY:.0f} GB of memory: close other programs before you start."
        )
    facts["cores"] = str(usable_cores())
    facts["system"] = f"{platform.system()} {platform.release()} ({platform.machine()})"
    return Report(facts, missing, advice)


def installed_version(package: str) -> str | None:
    """The version of an installed package, None where there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def memory_in_gb() -> float | None:
    """The machine's memory in GB (2^30 bytes); None where the system does not tell."""
    if sys.platform == "win32":
        return None
    names = os.sysconf_names
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def usable_cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def main() -> int:
    """Print the report; return the exit code."""
    report = check_machine()
    for name, value in report.facts.items():
        print(f"{name:<12}{value}")
    print()
    for sentence in report.missing:
        print(f"MISSING  {sentence}")
    for sentence in report.advice:
        print(f"note     {sentence}")
    if report.missing:
        print("TinyTorch does not work here yet: see MISSING above.")
        return 1
    print("TinyTorch works here." if report.advice else "Everything is there.")
    return 0


def _numbers(version: str) -> tuple[int, ...]:
    """What versions are compared by: "0.9.5" gives (0, 9, 5)."""
    return tuple(map(int, re.findall(r"\d+", version)))


if __name__ == "__main__":
    sys.exit(main())
