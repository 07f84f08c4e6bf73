"""Which methods to try next, out of the numbers of a dataset and of the model at hand.

Simple rules, in this order, and no promise: only trying tells. The reasons are those of the papers,
the numbers those of the dataset.

1. The largest class has less than BALANCED times the images of the smallest (our convention, no
   paper's): there is no imbalance to correct, and `baseline` is all that is suggested.
2. Else `logit_adjust_posthoc` (Menon et al. 2021, 4.1): log priors are taken off the logits of
   a trained baseline. It needs no second training.
3. And `balanced_softmax` (Ren et al. 2020): the same prior, in the loss. One training, and no
   parameter to choose. Where every tail class has a validation image, `prior_offset` after it.
4. And `crt` (Kang et al. 2020, 4.1): the classifier alone is trained again, on batches in which all
   classes are equal. It was ahead of `ldam_drw` in the short trainings that LOG.md compares
   (2026-11-24), where the smallest class has 13 images and where it has 50.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import median
from typing import Any

from lt.data.partition import MEDIUM as FEW
from lt.score.stats import wilson

BALANCED = 1.5


@dataclass(frozen=True)
class Numbers:
    """What the rules go by.

    Args:
        classes: C.
        images: of all classes, those that validate among them.
        largest: images of the largest class.
        smallest: images of the smallest class.
        few: number of classes with fewer than FEW images.
        validation: validation images of each tail class.
        head: right answers and test images of the head, of the model at hand.
        tail: the same of the tail.
    """

    classes: int
    images: int
    largest: int
    smallest: int
    few: int
    validation: tuple[int, ...]
    head: tuple[int, int]
    tail: tuple[int, int]

    @property
    def ratio(self) -> float:
        """Return the imbalance: images of the largest class / of the smallest."""
        return self.largest / max(self.smallest, 1)


@dataclass(frozen=True)
class Suggestion:
    """A method of lt/methods, and why."""

    method: str
    reason: str


def numbers(
    cut: Mapping[str, Any], val_counts: Sequence[int], rows: Sequence[Mapping[str, str]]
) -> Numbers:
    """Collect the numbers.

    Args:
        cut: what partition.json holds.
        val_counts: (C,) validation images per class.
        rows: those of per_class.csv.
    """
    counts = cut["counts"]

    def right(part: set[int]) -> tuple[int, int]:
        own = [row for row in rows if int(row["label"]) in part and row["accuracy"]]
        hits = [round(float(row["accuracy"]) * int(row["test_images"]) / 100) for row in own]
        return sum(hits), sum(int(row["test_images"]) for row in own)

    return Numbers(
        classes=len(counts),
        images=sum(counts),
        largest=max(counts),
        smallest=min(counts),
        few=sum(count < FEW for count in counts),
        validation=tuple(val_counts[label] for label in cut["tail"]),
        head=right(set(cut["head"])),
        tail=right(set(cut["tail"])),
    )


def suggest(found: Numbers) -> list[Suggestion]:
    """Return the methods that fit, the cheapest first."""
    if found.ratio < BALANCED:
        reason = (
            f"The largest class has {found.ratio:.2f} times the images of the smallest. There is "
            "no imbalance to correct, so the methods against it have nothing to gain."
        )
        return [Suggestion("baseline", reason)]
    posthoc = (
        "It costs what the baseline costs, and nothing where one is trained: log priors are taken "
        f"off its logits. Here the smallest class gains log({found.ratio:.1f}) = "
        f"{log(found.ratio):.1f} on the largest. {_tau(found)}"
    )
    softmax = (
        "One training, and no parameter to choose: the loss knows the counts, from "
        f"{found.largest} down to {found.smallest}.{_offset(found)}"
    )
    return [
        Suggestion("logit_adjust_posthoc", posthoc),
        Suggestion("balanced_softmax", softmax),
        _crt(found),
    ]


def pretrained(run: Mapping[str, Any]) -> str:
    """Point to pretrained weights where photos were trained without; else return "".

    The digits and CIFAR are benchmarks of training from scratch.

    run: what run.json holds.
    """
    if run["data"]["name"] != "images" or run["train"]["weights"]:
        return ""
    return (
        "Before any method: train.weights, of a network that has learned from many other images, "
        "may be worth more (docs/own_images.md)."
    )


def gap(found: Numbers, model: str) -> str:
    """Say how far head and tail of the model at hand are apart, and whether that is sure."""
    ends = wilson(*found.head), wilson(*found.tail)
    if ends[0] is None or ends[1] is None:
        return f"{model}: head or tail has no test image, so that no gap can be told."
    head, tail = (100 * hits / num for hits, num in (found.head, found.tail))
    said = f"{model} has {head:.1f} % right in the head and {tail:.1f} % in the tail"
    if ends[1][1] >= ends[0][0] and ends[0][1] >= ends[1][0]:
        return f"{said}. Their 95 % intervals overlap: this test set cannot tell them apart."
    if tail > head:
        return f"{said}. The tail is ahead: what is left to gain is in the head."
    return f"{said}: a gap of {head - tail:.1f} points for these methods to close."


def facts(found: Numbers) -> list[tuple[str, str]]:
    """Name the numbers that the rules go by, in words."""
    ratio = f"{found.ratio:.1f} ({found.largest} to {found.smallest} images)"
    none = sum(not num for num in found.validation)
    val = f"{median(found.validation):g} (median), {none} of {len(found.validation)} with none"
    return [
        ("Largest class / smallest", ratio),
        (f"Classes with fewer than {FEW} images", f"{found.few} of {found.classes}"),
        ("Validation images of a tail class", val),
    ]


def _tau(found: Numbers) -> str:
    none = sum(not num for num in found.validation)
    if none:
        return (
            f"Keep τ = 1: {none} of {len(found.validation)} tail classes have no validation image "
            "to choose it on."
        )
    return (
        f"Tail classes have {median(found.validation):g} validation images (median), on which τ "
        "can be chosen (methods.logit_adjust_posthoc.taus)."
    )


def _offset(found: Numbers) -> str:
    if not found.validation or not all(found.validation):
        return ""
    return (
        " After it, evaluate.combine=prior_offset trains nothing: the validation images decide how "
        "far the counts shift its answers."
    )


def _crt(found: Numbers) -> Suggestion:
    repeats = found.images / found.classes / max(found.smallest, 1)
    return Suggestion(
        "crt",
        "It trains the classifier alone again, all classes alike, on the baseline's network. "
        f"An image of the smallest class, which has {found.smallest}, is then seen {repeats:.1f} "
        "times an epoch, on average; the features that all images have made stay as they are.",
    )
