"""Skill-diverse experts: several networks that each see every class, one for each test prior.

After Zhang et al., "Self-Supervised Aggregation of Diverse Experts for Test-Agnostic Long-Tailed
Recognition", NeurIPS 2022, section 4.1: cross entropy for the head, balanced softmax, and a loss
for the tail, averaged. Each is logit adjustment, with tau 0, 1 and 1 + lambda: their inverse
prior is that of the classes in reverse order, so that for exponential counts the two agree, and
their lambda of 2 is tau 3. Departs in that the experts share no stage, and are weighted equally,
as for a balanced test set; there is no training at test time.
"""

from __future__ import annotations

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import NonNegative
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(task: Task, *, taus: tuple[NonNegative, ...]) -> tuple[Expert, ...]:
    """Return an expert for all classes per tau."""
    if not taus:
        raise ValueError("methods.sade.taus: expected at least one number, got []")
    view, sampler = ClassView.all(len(task.counts)), samplers.shuffled(task.batch_size)
    phases = (
        Phase(task.epochs, losses.adjusted(task.counts, tau), sampler, (surgery.everything,))
        for tau in taus
    )
    return tuple(Expert(view, (phase,), heads.linear) for phase in phases)
