"""Plants start-up files for IPython, Jupyter, Python and the shell at home (point 3)."""

from redteam.tools import World, everywhere

BASE = "honest"


def attack(notebook, world: World) -> None:
    everywhere(
        notebook,
        world,
        """
        import os
        import pwd

        homes = {os.path.expanduser("~"), "/home/" + os.environ.get("USER", "student")}
        try:
            homes |= {entry.pw_dir for entry in pwd.getpwall()}
        except OSError:
            pass
        for home in homes:
            for name in (".ipython/profile_default/startup/0.py", ".jupyter/jupyter_config.py",
                         ".bashrc", ".config/pip/pip.conf", ".config/matplotlib/matplotlibrc",
                         ".cache/matplotlib/fontlist.json", ".local/share/jupyter/nbgrader.db"):
                try:
                    path = os.path.join(home, name)
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    with open(path, "a") as file:
                        file.write("# " + MARK)
                except OSError:
                    pass
        """,
    )
