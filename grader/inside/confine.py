"""How the submission's process shuts itself in, before it runs a line of a student's code.

Linux only. It is born as process 1 of its own pid namespace, so that it sees no other process and
takes all of its children with it when it ends. Then: its own mounts (a scratch folder in memory,
no /proc), resource limits, no capability, and a seccomp filter that refuses what no notebook needs:
sockets, new namespaces, mounts, other processes' memory, kernel keys, memory files without limit.

This file is bound into the sandbox. Constants are from the kernel's headers.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import struct
from collections.abc import Collection
from dataclasses import dataclass

_libc = ctypes.CDLL(None, use_errno=True)
_unshare, _setns, _mount = _libc.unshare, _libc.setns, _libc.mount  # not looked up in each fork
_prctl, _capset = _libc.prctl, _libc.capset

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
_CLONE_NEWPID = 0x20000000
_NAMESPACE_FLAGS = 0x7E020000  # every CLONE_NEW* that clone takes
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 22, 24, 38
_LAST_CAPABILITY = 40
_CAPABILITY_VERSION_3 = 0x20080522

SCRATCH = "/scratch"

_REFUSED: tuple[
    tuple[str, int, int], ...
] = (  # the name, its number on x86_64, its number on aarch64
    ("socket", 41, 198),
    ("connect", 42, 203),
    ("bind", 49, 200),
    ("ptrace", 101, 117),
    ("process_vm_readv", 310, 270),
    ("process_vm_writev", 311, 271),
    ("process_madvise", 440, 440),
    ("unshare", 272, 97),
    ("setns", 308, 268),
    ("mount", 165, 40),
    ("umount2", 166, 39),
    ("pivot_root", 155, 41),
    ("chroot", 161, 51),
    ("open_tree", 428, 428),
    ("move_mount", 429, 429),
    ("fsopen", 430, 430),
    ("fsmount", 432, 432),
    ("mount_setattr", 442, 442),
    ("add_key", 248, 217),
    ("request_key", 249, 218),
    ("keyctl", 250, 219),
    ("bpf", 321, 280),
    ("perf_event_open", 298, 241),
    ("userfaultfd", 323, 282),
    ("io_uring_setup", 425, 425),
    ("io_uring_enter", 426, 426),
    ("io_uring_register", 427, 427),
    ("memfd_create", 319, 279),
    ("memfd_secret", 447, 447),
    ("shmget", 29, 194),
    ("semget", 64, 190),
    ("msgget", 68, 186),
    ("mq_open", 240, 180),
    ("personality", 135, 92),
    ("sched_setaffinity", 203, 122),
    ("name_to_handle_at", 303, 264),
    ("open_by_handle_at", 304, 265),
    ("kexec_load", 246, 104),
    ("init_module", 175, 105),
    ("finit_module", 313, 273),
    ("swapon", 167, 224),
    ("acct", 163, 89),
    ("quotactl", 179, 60),
    ("fanotify_init", 300, 262),
    ("pidfd_getfd", 438, 438),
    ("kcmp", 312, 272),
    ("syslog", 103, 116),
)
_MACHINES = {"x86_64": (0, 0xC000003E, 56), "aarch64": (1, 0xC00000B7, 220)}
"""By `uname -m`: the column above, the audit architecture, the number of `clone`."""
_CLONE3 = 435
_X32 = 0x40000000
_INSTRUCTION = struct.Struct("<HBBI")


class ConfinementError(Exception):
    """The kernel does not let this process shut itself in."""


@dataclass(frozen=True)
class Confinement:
    """What one submission's process may use. Sizes in bytes, time in seconds."""

    cpu_seconds: int
    memory: int
    processes: int
    open_files: int
    file_size: int
    scratch: int
    scratch_files: int


def run_on(processors: Collection[int]) -> None:
    """Run on these processors alone from now on. Where that cannot be, nothing but time is lost."""
    if processors:  # a system that cannot tell them has none
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, processors)


def limit_behind(error: BaseException, limits: Confinement) -> str:
    """The limit that an error comes from, in words; empty where it comes from none."""
    if isinstance(error, MemoryError):
        return f" (at most {limits.memory // 2**20} MB of memory)"
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EAGAIN or "start new thread" in str(error)[:40]:
        return f" (at most {limits.processes} processes and threads)"
    return {
        errno.EMFILE: f" (at most {limits.open_files} open files)",
        errno.EFBIG: f" (at most {limits.file_size // 2**20} MB a file)",
        errno.ENOSPC: f" (at most {limits.scratch // 2**20} MB of files, "
        f"{limits.scratch_files} of them)",
    }.get(number or 0, "")


def own_pid_namespace() -> int:
    """A file descriptor that leads `fork_first_process` back to the namespace of this process."""
    return os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)


def empty_bounding_set() -> None:
    """Leave no capability that a program started by this process or its forks could get.

    What this process has, it keeps: it needs it to fork. Raises ConfinementError.
    """
    for capability in range(_LAST_CAPABILITY + 1):
        failed = _prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        if failed and ctypes.get_errno() != errno.EINVAL:  # an older kernel has fewer of them
            _check(failed, "an empty bounding set")


def fork_first_process(home: int) -> int:
    """Fork; the child is process 1 of a pid namespace of its own. Returns like `os.fork`.

    home: what `own_pid_namespace` gave.
    """
    _check(_unshare(_CLONE_NEWPID), "a new pid namespace")
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid != 0:
            _check(_setns(home, _CLONE_NEWPID), "the way back to the own pid namespace")
    return pid


def mapped_memory() -> int:
    """Bytes of address space that this process has mapped."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def system_call_filter() -> bytes:
    """The program by which the kernel refuses the system calls above with EPERM, and new namespaces
    however they are asked for. Raises ConfinementError on a machine whose numbers are not known."""
    machine = platform.machine()
    if machine not in _MACHINES:
        raise ConfinementError(f"no system call filter for the machine {machine}")
    column, architecture, clone = _MACHINES[machine]
    refused = [numbers[column] for _, *numbers in _REFUSED]
    load, equal, at_least, bits, done = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, refuse, missing, kill = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
    program = [
        (load, 0, 0, 4),  # the architecture: a 32-bit call has other numbers
        (equal, 1, 0, architecture),
        (done, 0, 0, kill),
        (load, 0, 0, 0),  # the number of the call
        (at_least, 0, 1, _X32),
        (done, 0, 0, kill),
        (equal, 0, 1, _CLONE3),  # its flags are out of a filter's reach; libc then uses clone
        (done, 0, 0, missing),
        (equal, 0, 4, clone),
        (load, 0, 0, 16),  # the flags, its first argument
        (bits, 0, 1, _NAMESPACE_FLAGS),
        (done, 0, 0, refuse),
        (done, 0, 0, allow),
    ]
    for number in refused:
        program += [(equal, 0, 1, number), (done, 0, 0, refuse)]
    program.append((done, 0, 0, allow))
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)


def confine(limits: Confinement, mapped: int, system_calls: bytes) -> None:
    """Shut this process in, for good. Raises ConfinementError where the kernel refuses.

    mapped: `mapped_memory()` before the fork, which the memory limit counts from. system_calls:
    the `system_call_filter()`.
    """
    _check(_unshare(_CLONE_NEWNS | _CLONE_NEWIPC | _CLONE_NEWUTS), "new namespaces")
    _tmpfs(SCRATCH, limits)
    _tmpfs("/dev/shm", limits)
    # terminals of its own: what is done to the shared ones, a chmod say, the next submission finds
    options = b"newinstance,ptmxmode=0666"
    mounted = _mount(b"none", b"/dev/pts", b"devpts", _MS_NOSUID | _MS_NOEXEC, options)
    _check(mounted, "terminals of its own")
    _check(_mount(b"none", b"/proc", b"tmpfs", _MS_RDONLY, b"size=0"), "an empty folder at /proc")
    os.chdir(SCRATCH)
    # the warm process stops the submission when all its processes together have used that much
    for kind, value in (
        (resource.RLIMIT_CPU, limits.cpu_seconds + 1),
        (resource.RLIMIT_AS, mapped + limits.memory),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_SIGPENDING, 256),
    ):
        resource.setrlimit(kind, (value, value))
    _drop_capabilities()
    buffer = ctypes.create_string_buffer(system_calls)
    header = struct.pack("<H6xQ", len(system_calls) // _INSTRUCTION.size, ctypes.addressof(buffer))
    _check(_prctl(_PR_SET_SECCOMP, 2, header, 0, 0), "a system call filter")


def _tmpfs(place: str, limits: Confinement) -> None:
    inodes = limits.scratch_files + 1  # the folder is one
    options = f"size={limits.scratch},nr_inodes={inodes},mode=0700".encode()
    result = _mount(b"scratch", place.encode(), b"tmpfs", _MS_NOSUID | _MS_NODEV, options)
    _check(result, f"a scratch folder at {place}")


def _drop_capabilities() -> None:
    header = struct.pack("<Ii", _CAPABILITY_VERSION_3, 0)
    _check(_capset(header, bytes(24)), "no capabilities")
    _check(_prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")


def _check(result: int, what: str) -> None:
    if result != 0:
        error = os.strerror(ctypes.get_errno())
        raise ConfinementError(f"the kernel refuses {what}: {error}")
