"""Makes every later cell succeed without being run (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        from IPython.core.interactiveshell import ExecutionResult, InteractiveShell

        fine = lambda self, *a, **k: ExecutionResult(None)
        InteractiveShell.run_cell = InteractiveShell.run_code = fine
        type(get_ipython()).run_cell = fine


        async def done(self, *a, **k):
            return ExecutionResult(None)


        InteractiveShell.run_cell_async = done
        """,
    )
    forge(notebook, "None")
