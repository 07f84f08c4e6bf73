"""A second look before anything is trained: at what `resolve` cannot know without the images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from lt import methods, params
from lt.data.views import ClassView
from lt.train import choice
from lt.train.inputs import Inputs, make_task
from lt.train.start import Start


def check(chain: Sequence[params.Training], rule: str, inputs: Inputs) -> None:
    """Refuse what the counts of images decide, for all that follows, and not when its turn comes.

    Args:
        chain: the trainings that follow, in their order.
        rule: which then combines the experts.
        inputs: the images.

    Raises:
        ValueError: if a method does not go with the groups, the counts or its start, an expert has
            no training image, or validation images are missing for a choice or for the rule.
    """
    from lt.score import combine  # no training depends on it

    counts = np.array(inputs.partition["counts"])
    labels, val = (inputs.raw["train_labels"][index] for index in (inputs.train, inputs.val))
    views: tuple[ClassView, ...] = ()
    before = ""
    for one in chain:
        task = make_task(one.train, inputs, views)
        experts = methods.experts(one.model, task, one.method)
        if before:
            Start(views=views, run={"model": before}).check_views(one.model, experts, task.groups)
        before = one.model
        views = tuple(view for expert in experts for view in expert.views)
        for k, expert in enumerate(experts):
            with _told(len(labels), len(val)):
                choice.check_images(expert, k, labels, val, counts)
    with _told(len(labels), len(val)):
        combine.check_applies(rule, views, np.bincount(val, minlength=len(counts)))


@contextmanager
def _told(num: int, num_val: int) -> Iterator[None]:
    """Say how many images validate, where that is what is wrong."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{error} ({num_val} of {num + num_val} images validate)") from None
