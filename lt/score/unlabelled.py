"""Weights of the experts from what they say of the test images, without a label.

Zhang et al., "Self-Supervised Aggregation of Diverse Experts for Test-Agnostic Long-Tailed
Recognition", NeurIPS 2022, section 4.2, choose the weights for which predictions are most stable
between two crops of a test image; by their theorem 1 stable predictions are those that tell much
about the class and have little entropy. Here there are outputs of one crop alone, so that this is
maximised itself: the mutual information of image and predicted class, the entropy of the mean
prediction less the mean entropy. It departs from Vanint/SADE-AgnosticLT at cba11b8,
test_training_cifar.py, in that, and in that the fit ends at the optimum, where theirs takes some
steps of SGD. The images are used as a whole: of a single one, all weights are equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def combine(blocks: Floats, share: Floats) -> Floats:
    """Return (N, C): the mean of the experts' outputs with the weights that tell most.

    Args:
        blocks: (K, N, C) outputs times `share`, 0 where an expert does not know the class.
        share: (K, C) each expert's part in a class among those that know it, in equal parts.
    """
    if (share.max(0) == 1).all():  # no class has two experts: there is nothing to weight
        return np.asarray(blocks.sum(0))
    return _scores(fit(blocks, share), blocks, share)


def fit(blocks: Floats, share: Floats) -> Floats:
    """Return the weights (K,), which sum to 1; the args are those of `combine`."""
    from scipy.optimize import minimize

    def objective(x: Floats) -> tuple[float, Floats]:
        weights = _weights(x)
        scores = _scores(weights, blocks, share)
        shifted = scores - scores.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        p = np.exp(log_p)
        told = log_p - np.log(np.maximum(p.mean(0), np.finfo(np.float64).tiny))
        each = (p * told).sum(1, keepdims=True)  # (N, 1): the KL divergence from the mean
        slope = p * (told - each) / (len(p) * (weights @ share))  # of the scores' numerators
        of_weights = (slope * blocks).sum((1, 2)) - share @ (slope * scores).sum(0)
        return -float(each.mean()), -weights * (of_weights - weights @ of_weights)

    found = minimize(objective, np.zeros(len(blocks)), jac=True, method="L-BFGS-B")
    return _weights(found.x)


def _weights(x: Floats) -> Floats:
    powers = np.exp(x - x.max())
    return np.asarray(powers / powers.sum())


def _scores(weights: Floats, blocks: Floats, share: Floats) -> Floats:
    return np.asarray(np.tensordot(weights, blocks, 1) / (weights @ share))
