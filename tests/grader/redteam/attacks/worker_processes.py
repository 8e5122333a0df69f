"""Computes with a pool of processes, as an honest student with time to spare may (point 6)."""

from redteam.tools import World, in_scale

BASE = "honest"


def attack(notebook, world: World) -> None:
    in_scale(
        notebook,
        """
        import multiprocessing
        import time

        with multiprocessing.get_context("fork").Pool(10) as pool:
            pool.map(time.sleep, [0.3] * 10)
            values = np.array(pool.map(float, values))
        """,
    )
