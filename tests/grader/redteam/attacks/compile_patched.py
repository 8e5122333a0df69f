"""Replaces compile, exec and the parser by ones that drop asserts (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import ast
        import builtins

        real = builtins.compile


        def dropping(source, *args, **kwargs):
            if isinstance(source, str):
                source = source.replace("assert", "True or")
            return real(source, *args, **kwargs)


        builtins.compile = dropping
        ast.parse = lambda source, *a, **k: real("pass", "x", "exec", ast.PyCF_ONLY_AST)
        """,
    )
    forge(notebook, "None")
