"""Cuts the asserts out of later cells' syntax trees (point 1)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import ast


        class Cut(ast.NodeTransformer):
            def visit_Assert(self, node):
                return ast.Pass()

            def visit_Call(self, node):
                called = getattr(node.func, "id", "")
                return ast.Constant(None) if called.startswith("test_") else node


        get_ipython().ast_transformers.append(Cut())
        """,
    )
    forge(notebook, "None")
