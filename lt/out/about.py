"""What one must know to use an exported module: its metadata."""

from __future__ import annotations

from typing import Any

from lt.out import twin
from lt.out.formats import INPUT
from lt.out.networks import Networks

STEPS = (
    "turn the image as its EXIF data say",
    "scale 16 bits a channel to 8",
    "put what is transparent on white",
    "convert it to the mode",
    "scale the shorter side to the size, bicubic, and cut out the centre (PIL.ImageOps.fit)",
)


def metadata(trained: Networks) -> dict[str, Any]:
    """Return the metadata, as JSON can hold them."""
    are_probabilities = trained.words.are_probabilities
    return {
        "classes": list(trained.words.classes),
        "groups": [list(group) for group in trained.words.groups],
        "size": trained.size,
        "mode": "L" if trained.channels == 1 else "RGB",
        "preprocessing": list(STEPS),
        "input": f"{INPUT}: uint8 (N, {trained.size}, {trained.size}, {trained.channels})",
        "inside": {
            "mean": list(trained.recipe.mean),
            "std": list(trained.recipe.std),
            "networks": len(trained.nets),
            "rule": trained.rule_name,
            "fitted": twin.numbers(trained.rule),
        },
        "output": "probabilities" if are_probabilities else "scores",
        "are_probabilities": are_probabilities,
        "model": trained.run["model"],
        "training": trained.run["training"],
    }
