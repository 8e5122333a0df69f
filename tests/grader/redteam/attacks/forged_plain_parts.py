"""Answers with plain parts of wrong types: printed, changed, outcomes (points 1, 3)."""

from redteam.tools import World, forge, own_cell

BASE = "untouched"


def attack(notebook, world: World) -> None:
    own_cell(
        notebook,
        """
        import random
        import sys
        from grader.inside import codec

        RAISED = ["raised", ["ValueError"], "ValueError", "", []]
        ODD = [None, True, False, -1, 10**4000, 1e999, float("nan"), "text", "\\ud800", [], {},
               [[]], {"a": 1}, [None], [True, True], [-1], [10**18], [0] * 1000, [0.0], ["0"], [{}]]
        BASES = ["StopIteration", "GeneratorExit", "ExceptionGroup", "BaseExceptionGroup",
                 "KeyboardInterrupt", "UnicodeDecodeError", "UnicodeError", "Warning", "SystemExit",
                 "SyntaxError", "OSError", "KeyError", "MemoryError", "RecursionError",
                 "AssertionError", "CallFailed", "__import__", {}, [], None, 3]
        TOLD = [*ODD, *([one] for one in ODD), [["method"]], [["method", 1]],
                [["missing", "\\ud800"]], [["missing", 3]], [["value"]], [["value", ["O", "x"]]],
                [["value", ["h", "", 3]]], [["value", ["r", 0]]],
                [["unreadable", "\\ud800", "x" * 10**6]], [RAISED] * 100_000, [["value", 12]] * 2,
                [["value", 12]],
                *([["raised", [base], "E", "\\udcff", []]] for base in BASES),
                *([["raised", ["ValueError"], "E", "t", [odd, "x"]]] for odd in ODD),
                *([["raised", ["ValueError"], "E", "t", [1, odd]]] for odd in ODD)]
        DEEP = []
        for _ in range(400):
            DEEP = [DEEP]
        TOLD.append([["raised", ["ValueError"], "E", "t", [1, DEEP]]])
        RANDOM = random.SystemRandom()


        def lie():
            frame = sys._getframe()
            while "self" not in frame.f_locals or not hasattr(frame.f_locals["self"], "_reply"):
                frame = frame.f_back

            def reply(printed, results, given, changed):
                told = RANDOM.choice(TOLD)
                printed = RANDOM.choice(ODD) if RANDOM.random() < 0.2 else ""
                changed = RANDOM.choice(ODD) if RANDOM.random() < 0.3 else []
                contents = [["l"]] * RANDOM.choice([0, 0, 1, 1000])
                return codec.Encoder(number=False).message(printed, changed, told, *contents)

            frame.f_locals["self"]._reply = reply
            return 12
        """,
    )
    forge(notebook, "lie()")
