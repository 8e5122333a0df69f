"""Reads IPython's history, its inputs and outputs and their caches (point 2)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import linecache

        shell = get_ipython()
        print(shell.history_manager.input_hist_raw, shell.history_manager.output_hist)
        print([shell.user_ns.get(name) for name in ("In", "Out", "_ih", "_oh", "_i", "__", "_dh")])
        print([lines for _, _, lines, _ in filter(lambda e: len(e) == 4, linecache.cache.values())])
        """,
    )
