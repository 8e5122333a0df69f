"""A notebook's cells, run without a kernel: IPython's shell with its outputs collected.

What a cell prints, shows and raises is collected in order, as Jupyter would show it, within bounds.
Only text and PNG pictures are kept. This file is bound into the sandbox.
"""

from __future__ import annotations

import ast
import base64
import builtins
import io
import linecache
import os
import re
import site
import sys
import warnings
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any, cast

from IPython.core.async_helpers import _pseudo_sync_runner
from IPython.core.compilerop import CachingCompiler
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

_STATEMENT = re.compile(r"^[^\s#)\]}]", re.MULTILINE)  # how a line begins one
_DEFINITION = re.compile(r"(?:def|class)\s+(\w+)")
_MAX_OUTPUTS = 1000  # of one cell
_MAX_ANSWERS = 1000  # to `input` in one cell or request; a debugger asks again and again
_CUT = "\n[the rest of the output was cut off]\n"


class Outputs:
    """The outputs of one cell, in order, bounded in size and number.

    kept: a file that holds what was printed, for who is still there when this process is lost.
    """

    kept: int | None = None

    def __init__(self, text_bytes: int, picture_bytes: int) -> None:
        self._text_bytes, self._picture_bytes = text_bytes, picture_bytes
        self.clear()

    def clear(self) -> None:
        if self.kept is not None and self._items:
            os.ftruncate(self.kept, 0)
            os.lseek(self.kept, 0, os.SEEK_SET)
        self._items: list[dict[str, Any]] = []
        self._text_left, self._picture_left = self._text_bytes, self._picture_bytes

    def take(self) -> list[dict[str, Any]]:
        items = self._items
        self.clear()
        for item in items:
            if "parts" in item:
                item["text"] = "".join(item.pop("parts"))
        return items

    def stream(self, name: str, text: str) -> None:
        text = self._bounded(text)
        if not text:
            return
        if self.kept is not None:
            os.write(self.kept, text.encode("utf-8", "replace"))
        if self._items and self._items[-1].get("name") == name:
            self._items[-1]["parts"].append(text)
        else:
            self._add({"output_type": "stream", "name": name, "parts": [text]})

    def data(self, kind: str, bundle: dict[str, Any]) -> None:
        data: dict[str, Any] = {}
        if "text/plain" in bundle:
            data["text/plain"] = self._bounded(str(bundle["text/plain"]))
        picture = bundle.get("image/png")
        if isinstance(picture, str):
            picture = base64.b64decode(picture)
        if isinstance(picture, bytes):
            if len(picture) <= self._picture_left:
                self._picture_left -= len(picture)
                data["image/png"] = base64.b64encode(picture).decode()
            else:
                most = self._picture_bytes // 1024
                left_out = f"[a picture was left out: a cell may have {most} KB of them]\n"
                self.stream("stderr", left_out)
        if data:
            self._add({"output_type": kind, "data": data})

    def error(self, name: str, value: str, traceback: list[str]) -> None:
        lines = [self._bounded(line) for line in traceback]
        self._add(
            {
                "output_type": "error",
                "ename": name[:200],
                "evalue": value[:2000],
                "traceback": lines,
            }
        )

    def _add(self, item: dict[str, Any]) -> None:
        if len(self._items) == _MAX_OUTPUTS:
            item = {"output_type": "stream", "name": "stderr", "parts": [_CUT]}
        if len(self._items) <= _MAX_OUTPUTS:
            self._items.append(item)

    def _bounded(self, text: str) -> str:
        if self._text_left <= 0:
            return ""
        if len(text) >= self._text_left:
            text = text[: self._text_left] + _CUT
        self._text_left -= len(text)
        return text


class Stream(io.TextIOBase):
    """Standard output or error of a cell. Closing it does nothing, as in Jupyter."""

    encoding = "utf-8"

    def __init__(self, name: str, outputs: Outputs) -> None:
        self.name = name
        self._outputs = outputs

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._outputs.stream(self.name, text)
        return len(text)

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        pass


class _Publisher(DisplayPublisher):
    outputs: Outputs

    def publish(self, data: dict[str, Any], *_: object, **__: object) -> None:
        self.outputs.data("display_data", data)

    def clear_output(self, wait: bool = False) -> None:
        self.outputs.clear()


class _Results(DisplayHook):
    outputs: Outputs

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: dict[str, Any], md_dict: object = None) -> None:
        self.outputs.data("execute_result", format_dict)

    def finish_displayhook(self) -> None:
        pass


class _Compiler(CachingCompiler):
    """IPython's compiler, given what is there already."""

    parsed: tuple[str, ast.AST] = "", ast.Module([], [])

    def ast_parse(self, source: str, filename: str = "<unknown>", symbol: str = "exec") -> ast.AST:
        (known, tree), self.parsed = self.parsed, _Compiler.parsed
        if source == known and symbol == "exec":
            return tree
        parsed: ast.AST = super().ast_parse(source, filename, symbol)
        return parsed

    def definitions(self, source: str, number: int) -> CodeType | None:
        """The code of a cell whose last statement is a function or class; None of any other."""
        if "\r" in source or "\f" in source:  # they begin lines, too
            return None
        last = max((line.start() for line in _STATEMENT.finditer(source)), default=0)
        definition = _DEFINITION.match(source, last)
        if definition is None:
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # else it would be shown twice
                code: CodeType = self(source, self.cache(source, number), "exec")
        except Exception:  # noqa: BLE001 - `run_cell` tells what is wrong
            return None
        line = source.count("\n", 0, last) + 1
        parts = (part for part in code.co_consts if isinstance(part, CodeType))
        names = {part.co_name for part in parts if part.co_firstlineno == line}
        return code if definition[1] in names else None  # else the line is part of a text


class NotebookShell(InteractiveShell):
    """IPython's shell as a kernel has it, without the kernel."""

    outputs: Outputs
    limit_behind = staticmethod(lambda error: "")
    """The limit that an exception comes from, to be told with it."""
    display_pub_class = Type(_Publisher)
    displayhook_class = Type(_Results)
    compiler_class = Type(_Compiler)

    def define(self, source: str) -> bool | None:
        """Run a cell that ends in a function or class, as most do; whether it ran to its end.

        It runs as a whole. IPython runs each statement as a module of its own, which takes longer
        than to compile them and shows no more where there is no value at the end. None of any other
        cell, or where somebody wants to see each value or to be told of each cell: `run_cell` runs
        those.
        """
        hooks, compiler = self.events.callbacks, self.compile
        if self.ast_transformers or hooks["pre_run_cell"] or hooks["post_run_cell"]:
            return None
        if not isinstance(compiler, _Compiler) or self.ast_node_interactivity != "last_expr":
            return None  # a cell changed it
        code = compiler.definitions(source.rstrip("\n") + "\n", self.execution_count)
        if code is None:
            return None
        self.events.trigger("pre_execute")
        with self.builtin_trap, self.display_trap:
            failed = _pseudo_sync_runner(self.run_code(code))  # type: ignore[no-untyped-call]
        self.events.trigger("post_execute")
        self.last_execution_succeeded = not failed
        return self.last_execution_succeeded

    def transform_cell(self, raw_cell: str) -> str:
        """What is Python already needs none of IPython's transformations, and no second parse."""
        source, compiler = raw_cell.rstrip("\n") + "\n", cast(_Compiler, self.compile)
        try:
            compiler.parsed = source, ast.parse(raw_cell)
            return source
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass  # an error of IPython's own must not be told as one that came from it
        transformed: str = super().transform_cell(raw_cell)  # type: ignore[no-untyped-call]
        return transformed

    def should_run_async(self, raw_cell: str, **transformed: Any) -> bool:
        """IPython compiles each cell to find out; without these words there is no need."""
        words = "await" in raw_cell or "async" in raw_cell
        return words and super().should_run_async(raw_cell, **transformed)

    def enable_gui(self, gui: str | None = None) -> None:
        """Figures are drawn inline; there is no window system to connect to."""

    def ask_exit(self) -> None:
        """`exit` in a notebook's cell ends nothing."""

    def _showtraceback(
        self, etype: type[BaseException], evalue: BaseException, stb: list[str]
    ) -> None:
        behind = _text(evalue, self.limit_behind)
        self.outputs.error(etype.__name__, _text(evalue) + behind, [*stb, *filter(None, [behind])])


def make_shell(outputs: Outputs) -> NotebookShell:
    """The process's one shell; its outputs go to `outputs`."""
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.cache_size = 0
    config.InteractiveShell.banner1 = ""
    _Publisher.outputs = _Results.outputs = NotebookShell.outputs = outputs
    shell: NotebookShell = NotebookShell.instance(config=config)
    shell.user_ns["__name__"] = "__main__"
    site.sethelper()  # the builtin `help`, which a Python without `site` does not have
    return shell


class Cells:
    """Runs cells in the shell and describes what happened."""

    def __init__(self, shell: NotebookShell, outputs: Outputs, captured: int | None) -> None:
        """captured: a file that the descriptors 1 and 2 write to, None without one."""
        self.shell = shell
        self.outputs = outputs
        self._streams = Stream("stdout", outputs), Stream("stderr", outputs)
        self._captured = captured
        self._read = 0
        builtins.input = self._input

    def begin(self) -> None:
        """Before student code runs: empty outputs, streams in their place."""
        self.outputs.clear()
        self._answers_left = _MAX_ANSWERS
        sys.stdout, sys.stderr = self._streams

    def finish(self) -> list[dict[str, Any]]:
        """After student code ran: its outputs, those past Python's streams included."""
        if self._captured is not None:
            size = os.fstat(self._captured).st_size
            if size > self._read:
                raw = os.pread(self._captured, min(size - self._read, 2**20), self._read)
                self.outputs.stream("stdout", raw.decode("utf-8", "replace"))
            self._read = size
        return self.outputs.take()

    def run(self, source: str) -> tuple[list[dict[str, Any]], bool]:
        """Run one cell: its outputs, and whether it ran to its end."""
        self.begin()
        complete = self.shell.define(source)
        if complete is None:
            result = self.shell.run_cell(source, store_history=False)  # type: ignore[no-untyped-call]
            complete = bool(result.success)
        return self.finish(), complete

    def _input(self, prompt: object = "", /) -> str:
        """Nobody is there to answer; an empty line is what pressing Enter gives."""
        print(prompt)
        self._answers_left -= 1
        if self._answers_left < 0:
            raise EOFError("nobody is there to answer")
        return ""


def _text(error: BaseException, read: Callable[[BaseException], str] = str) -> str:
    try:
        return read(error)
    except Exception as other:  # noqa: BLE001 - a student's __str__ may raise anything
        return f"(its text cannot be read: {type(other).__name__})"


def own_line(traceback: TracebackType | None) -> tuple[int, str] | None:
    """The deepest line of a notebook cell in a traceback: its number and text."""
    found = None
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if "ipython-input" in name:
            found = traceback.tb_lineno, linecache.getline(name, traceback.tb_lineno).strip()[:200]
        traceback = traceback.tb_next
    return found
