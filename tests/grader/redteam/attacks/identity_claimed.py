"""Claims with the codec's own means that a copy is the given layer, unpruned (point 1)."""

from redteam.tools import World, answer

BASE = "untouched"


def attack(notebook, world: World) -> None:
    answer(
        notebook,
        "prune",
        """
def prune(layer, ratio=0.5):
    from copy import deepcopy

    from grader.inside import codec

    other = deepcopy(layer)
    for encoder in (codec.Encoder,):
        before = encoder.__init__

        def lying(self, given=(), *args, **kwargs):
            before(self, given, *args, **kwargs)
            for number, node in enumerate(given):
                if node is layer:
                    self._numbers[id(other)] = number

        encoder.__init__ = lying
    return other, {"removed": 12, "sparsity": 0.5}
        """,
    )
