"""Where attacks strike: a course with an honest student, and traps that show what got out."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import nbformat
from redteam import course
from redteam.tools import World

ATTACKS = sorted(path.stem for path in Path(__file__).with_name("attacks").glob("*.py"))


def load(name: str) -> ModuleType:
    """The attack of that name."""
    return importlib.import_module(f"redteam.attacks.{name}")


def expected(attack: ModuleType) -> dict[str, float]:
    """The points of each check without the attack."""
    lost = set(course.POINTS) if attack.BASE == "untouched" else set(getattr(attack, "COSTS", ()))
    return {name: 0.0 if name in lost else points for name, points in course.POINTS.items()}


@dataclass
class Scene:
    """A course with its gradebook, canaries, and sockets that listen."""

    world: World
    release: nbformat.NotebookNode
    loopback: socket.socket
    abstract: socket.socket

    def hand_in(self, student: str, attack: ModuleType | None = None) -> Path:
        """The folder of a submission, made from the attack; without one, an honest student's."""
        folder = self.world.course / "submitted" / student / course.ASSIGNMENT
        shutil.rmtree(folder.parent, ignore_errors=True)
        folder.mkdir(parents=True)
        make = getattr(attack, "attack", None)
        untouched = getattr(attack, "BASE", "honest") == "untouched"
        notebook = (course.copied if untouched else course.answered)(self.release)
        data = make(notebook, self.world) if make else None
        text = data if data is not None else json.dumps(notebook).encode()
        (folder / f"{course.NOTEBOOK}.ipynb").write_bytes(text)
        if hasattr(attack, "attack_folder"):
            attack.attack_folder(folder, self.world)
        return folder

    def files(self, *but: str) -> dict[str, object]:
        """What no submission may change or leave: the course's files, canaries, marked names.

        but: folders and files of the course that grading itself writes to.
        """
        world = self.world
        roots = [world.canary, *(p for p in world.course.iterdir() if p.name not in but)]
        found = {str(p): _fingerprint(p) for root in roots for p in (root, *root.rglob("*"))}
        neighbour = world.neighbour / f"{course.NOTEBOOK}.ipynb"
        home = Path.home()
        startup = (home / ".ipython" / "profile_default" / "startup").glob("*")
        marked = [
            str(path)
            for place in ("/", "/tmp", "/var/tmp", "/dev/shm", "/run", home)
            for path in Path(place).glob(f"*{world.mark}*")
        ]
        return {
            **found,
            "neighbour": _fingerprint(neighbour) if neighbour.exists() else None,
            "marked": marked,
            "startup": [str(p) for p in startup if world.mark in p.read_text(errors="replace")],
        }

    def connected(self) -> bool:
        """Whether anything reached one of the sockets."""
        try:
            self.loopback.accept()
        except BlockingIOError:
            try:
                self.abstract.recv(100)
            except BlockingIOError:
                return False
        return True


@contextmanager
def scene(root: Path) -> Iterator[Scene]:
    """Set it up in an empty folder."""
    mark = f"mark{secrets.token_hex(6)}"
    canary = root / "canary"
    canary.mkdir()
    (canary / "canary.txt").write_text(f"canary {mark}")
    release = course.create(root / "course")
    (root / "course" / "canary.txt").write_text(f"canary {mark}")
    (root / "course" / "course.secret").write_text(f"secret {mark}")
    loopback = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    abstract.bind(f"\0{mark}")
    loopback.setblocking(False)
    abstract.setblocking(False)
    world = World(
        course=root / "course",
        canary=canary,
        neighbour=root / "course" / "submitted" / "neighbour" / course.ASSIGNMENT,
        mark=mark,
        port=loopback.getsockname()[1],
        abstract=mark,
        grader=os.getpid(),
    )
    with loopback, abstract:
        yield Scene(world, release, loopback, abstract)


def names(folder: str | Path) -> list[str]:
    """What is in a folder; nothing where there is none."""
    path = Path(folder)
    return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []


def _fingerprint(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    plain = path.is_file() and not path.is_symlink()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if plain else None
    return status.st_mode, status.st_size if content else 0, status.st_mtime_ns, content
