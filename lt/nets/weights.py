"""Weights that a backbone begins with, out of a file: what fits, and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

# What classifiers are called in files: torchvision's, timm's, the CIFAR networks', ours.
CLASSIFIERS = ("fc", "classifier", "head", "heads", "linear")
BACKBONE = "backbone."  # the first part of the names in a file of ours
KEY = "train.weights"
TOLD = 3  # names in a message


def read(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors file, or of one that torch.save has written.

    Raises:
        ValueError: if it cannot be read, or holds something else than tensors by their names.
    """
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # of a damaged pickle, whatever comes to its reader
        why = str(error).strip().split("\n")[0].split(". ")[0]  # torch goes on with advice
        raise ValueError(f"{KEY}: {path}: cut short, or no file of weights ({why})") from None
    for key in ("state_dict", "model"):  # as training scripts wrap them
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not all(isinstance(one, Tensor) for one in found.values()):
        raise ValueError(f"{KEY}: {path}: expected tensors by their names (a state_dict)")
    return dict(found)


def match(
    weights: Mapping[str, Tensor], backbone: nn.Module, path: Path
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the state of a backbone out of a file's tensors, and what of them it is.

    All of it must be there, in its shapes. What is left over may only be a classifier.

    Args:
        weights: from `read`.
        backbone: the module, whose own state serves for counters that an old file lacks.
        path: of the file, for messages.

    Returns:
        the state, and the number of tensors "loaded" and the names of those "not_loaded".

    Raises:
        ValueError: if it does not fit.
    """
    own, given = backbone.state_dict(), _names(weights)
    strange = [key for key in given if key not in own and key.split(".")[0] not in CLASSIFIERS]
    missing = [key for key in own if key not in given and not key.endswith("num_batches_tracked")]
    if not own.keys() & given.keys():
        raise ValueError(
            f"{KEY}: {path}: nothing in it fits train.backbone: it has {_some(list(given))}, "
            f"expected {_some(list(own))}"
        )
    for key, value in own.items():
        if key in given and given[key].shape != value.shape:
            raise ValueError(
                f"{KEY}: {path}: {key} has shape {tuple(given[key].shape)}, expected "
                f"{tuple(value.shape)} for this train.backbone and these images"
            )
    if missing or strange:
        raise ValueError(
            f"{KEY}: {path}: is of another backbone than train.backbone: "
            f"lacks {_some(missing)}; has {_some(strange)} beyond it"
        )
    loaded = {key: given[key] for key in own if key in given}
    used = {id(tensor) for tensor in loaded.values()}
    left = [key for key, tensor in weights.items() if id(tensor) not in used]
    return {**own, **loaded}, {"loaded": len(loaded), "not_loaded": left}


def _names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that may be a backbone's, by their names in it."""
    plain = {key.removeprefix("module."): value for key, value in weights.items()}
    if any(key.startswith(BACKBONE) for key in plain):
        plain = {key: value for key, value in plain.items() if key.startswith(BACKBONE)}
    return {key.removeprefix(BACKBONE): value for key, value in plain.items()}


def _some(names: list[str]) -> str:
    more = f", ... ({len(names)} tensors)" if len(names) > TOLD else ""
    return (", ".join(names[:TOLD]) or "nothing") + more
