"""Other libraries to compare with, where they are installed: `pip install -e '.[peers]'`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray


def _optional(name: str) -> ModuleType | None:
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


torch = _optional("torch")
onnx = _optional("onnx")
onnxruntime = _optional("onnxruntime")
if torch is not None:
    torch.set_num_threads(1)

NO_TORCH = "" if torch else "torch is not installed"
NO_ONNX = "" if onnx and onnxruntime else "onnx, onnxruntime are not installed"


def onnx_session(
    steps: Sequence[tuple[str, Sequence[str], Sequence[str]]],
    constants: Mapping[str, NDArray[np.float32]],
    x: NDArray[np.float32],
    results: Mapping[str, type[np.generic]],
) -> Any:
    """Return an ONNX Runtime session, on one thread, that computes `results` from "x".

    steps: (operator, names of inputs, names of outputs), each with ONNX's default attributes.
    x: an array of the shape that the session will be given.
    results: name -> element type.
    """
    assert onnx is not None
    assert onnxruntime is not None
    helper = onnx.helper

    def value(name: str, kind: type[np.generic], shape: tuple[int, ...] | None) -> Any:
        element = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        return helper.make_tensor_value_info(name, element, shape)

    graph = helper.make_graph(
        [helper.make_node(*step) for step in steps],
        "peer",
        [value("x", np.float32, x.shape)],
        [value(name, kind, None) for name, kind in results.items()],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    # versions of 2023, so that a newer onnx beside an older onnxruntime does no harm
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
