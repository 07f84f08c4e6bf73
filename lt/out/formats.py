"""The files that a module is exported to: .onnx and .pt2, both with what one must know of it."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

INPUT = "images"
PACKAGES = ("onnx", "onnxruntime", "onnxscript")
METADATA = "long_tail.json"  # of a .pt2, its file of metadata


def check(path: Path) -> None:
    """Raise a ValueError if a module cannot be exported to a file of this name."""
    if path.suffix not in FORMATS:
        raise ValueError(f"expected a file that ends in {' or '.join(FORMATS)}, got {path}")
    if path.is_dir():
        raise ValueError(f"expected a file, got the folder {path}")
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if path.suffix == ".onnx" and missing:
        raise ValueError(
            f"{path.name}: {', '.join(missing)} not installed: pip install -e '.[export]'"
        )


def write(
    module: nn.Module,
    shape: tuple[int, int, int],
    about: Mapping[str, Any],
    ending: str,
    path: Path,
) -> None:
    """Export a module.

    Args:
        module: of uint8 (N, H, W, channels), in evaluation mode.
        shape: (H, W, channels).
        about: metadata, values as JSON can hold them.
        ending: .onnx or .pt2.
        path: of the file, whatever its name.
    """
    example = torch.zeros(2, *shape, dtype=torch.uint8)
    with torch.no_grad():
        program = torch.export.export(
            module, (example,), dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}}, strict=False
        )
    path.write_bytes(FORMATS[ending][0](program, about))


def load(ending: str, path: Path) -> Run:
    """Load an exported module, for checking it."""
    run: Run = FORMATS[ending][1](path)
    return run


def _write_pt2(program: torch.export.ExportedProgram, about: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={METADATA: json.dumps(about)})
    return buffer.getvalue()


def _load_pt2(path: Path) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that weights could be written to
        module = torch.export.load(io.BytesIO(path.read_bytes())).module()

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            outputs: NDArray[np.float32] = module(torch.from_numpy(images)).numpy()
        return outputs

    return run


def _write_onnx(program: torch.export.ExportedProgram, about: Mapping[str, Any]) -> bytes:
    import onnx

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own affairs
        exported = torch.onnx.export(
            program, dynamo=True, input_names=[INPUT], output_names=[about["output"]], verbose=False
        )
    assert exported is not None
    model = exported.model_proto
    onnx.helper.set_model_props(model, {key: json.dumps(about[key]) for key in about})
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString()
    return serialised


def _load_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        (outputs,) = session.run(None, {INPUT: images})
        return np.asarray(outputs)

    return run


FORMATS: dict[str, tuple[Callable[[torch.export.ExportedProgram, Mapping[str, Any]], bytes], Any]]
FORMATS = {".onnx": (_write_onnx, _load_onnx), ".pt2": (_write_pt2, _load_pt2)}
