"""Post-hoc logit adjustment: the baseline with tau * log prior taken off its logits afterwards.

Menon et al., "Long-Tail Learning via Logit Adjustment", ICLR 2021, equation 9. tau is the value of
the grid with the best class-balanced validation accuracy.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import NonNegative
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task, *, taus: tuple[NonNegative, ...]) -> tuple[Expert, ...]:
    """Return a single expert for all classes; `taus` is the grid, at least one value."""
    if not taus:
        raise ValueError("methods.logit_adjust_posthoc.taus: expected at least one number, got []")
    view, prior = ClassView.all(len(task.counts)), losses.log_prior(task.counts)
    grid = tuple(surgery.shift_bias((-tau * prior).tolist()) for tau in taus)
    phase = Phase(0, losses.cross_entropy, samplers.shuffled(task.batch_size), grid)
    return (Expert(view, (phase,), heads.linear, start="needed"),)
