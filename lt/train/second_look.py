"""A second look before anything is trained: at what `resolve` cannot know without the images."""

from __future__ import annotations

from collections.abc import Sequence

from lt import methods, params
from lt.data.views import ClassView
from lt.train import loop
from lt.train.run import Inputs, make_task


def check(chain: Sequence[params.Training], rule: str, inputs: Inputs) -> None:
    """Refuse what the counts of images decide, for all that follows, and not when its turn comes.

    Args:
        chain: the trainings that follow, in their order.
        rule: which then combines the experts.
        inputs: the images.

    Raises:
        ValueError: if a method does not go with the groups or counts, an expert has no training
            image, or validation images are missing for a choice or for the rule.
    """
    from lt.score import combine  # no training depends on it

    labels, val = (inputs.raw["train_labels"][index] for index in (inputs.train, inputs.val))
    views: list[ClassView] = []
    try:
        for one in chain:
            experts = methods.experts(one.model, make_task(one.train, inputs), one.method)
            views = [expert.view for expert in experts]
            for k, expert in enumerate(experts):
                if not (expert.view.targets(labels) >= 0).any():
                    raise ValueError(f"{one.model}: no class of expert {k} has a training image")
                loop.check_choice(expert, int((expert.view.targets(val) >= 0).sum()))
        combine.check_applies(rule, views, len(val) > 0)
    except ValueError as error:
        of_all = len(labels) + len(val)
        raise ValueError(f"{error} ({len(val)} of {of_all} images validate)") from None
