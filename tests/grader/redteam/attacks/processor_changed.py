"""Tries to choose the processors of others, and to run before everybody else (5)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os

        here = os.sched_getaffinity(0)
        for pid in (GRADER, 2, os.getppid()):
            if pid not in (0, 1):
                try:
                    os.sched_setaffinity(pid, here)
                    print(REACHED)
                except OSError:
                    pass
        os.sched_setaffinity(0, range(os.cpu_count()))
        for policy in (os.SCHED_FIFO, os.SCHED_RR):
            try:
                os.sched_setscheduler(0, policy, os.sched_param(50))
                print(REACHED)
            except OSError:
                pass
        """,
    )
