"""τ-normalisation: the baseline with its classifier's rows divided by their norm ** τ afterwards.

Kang et al., "Decoupling Representation and Classifier", ICLR 2020, section 4.2. The bias is
dropped. τ is the value of the grid with the best class-balanced validation accuracy.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import NonNegative
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task, *, taus: tuple[NonNegative, ...]) -> tuple[Expert, ...]:
    """Return a single expert for all classes; `taus` is the grid, at least one value."""
    if not taus:
        raise ValueError("methods.tau_norm.taus: expected at least one number, got []")
    view = ClassView.all(len(task.counts))
    sampler = samplers.shuffled(task.batch_size)
    grid = tuple(surgery.tau_normalise(tau) for tau in taus)
    phase = Phase(0, losses.cross_entropy, sampler, grid)
    return (Expert(view, (phase,), heads.linear, start="needed"),)
