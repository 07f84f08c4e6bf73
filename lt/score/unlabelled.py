"""Weights of the experts from what they say of the test images, without a label.

Zhang et al., "Self-Supervised Aggregation of Diverse Experts for Test-Agnostic Long-Tailed
Recognition", NeurIPS 2022, section 4.2, choose the weights for which predictions are most stable
between two crops of a test image; by their theorem 1 stable predictions are those that tell much
about the class and have little entropy. Here there are outputs of one crop alone, so that this is
maximised itself: the mutual information of image and predicted class, the entropy of the mean
prediction less the mean entropy. It departs from Vanint/SADE-AgnosticLT at cba11b8,
test_training_cifar.py, in that, and in that the fit ends at the optimum, where theirs takes some
steps of SGD and stops where one of three weights falls below 0.05, the least that one has here.
The images are used as a whole: of a single one, all weights are equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

LEAST = 0.15  # of an equal weight: theirs stops where one of three is below 0.05


def combine(blocks: Floats, share: Floats, told: Floats) -> Floats:
    """Return (N, C): the mean of the experts' outputs with the weights that tell most.

    Args:
        blocks: (K, N, C) outputs times `share`, 0 where an expert does not know the class.
        share: (K, C) each expert's part in a class among those that know it, in equal parts.
        told: (K, M, C) as blocks, of the images to weight by.
    """
    return weighted(choose(told, share), blocks, share)


def choose(told: Floats, share: Floats) -> Floats:
    """Return the weights (K,) by which `combine` weighs."""
    if (share.max(0) == 1).all():  # no class has two experts: there is nothing to weight
        return np.ones(len(share))
    return fit(told, share)


def fit(blocks: Floats, share: Floats) -> Floats:
    """Return the weights (K,), which sum to 1.

    Args:
        blocks: (K, N, C), those to weight by.
        share: as for `combine`.
    """
    from scipy.optimize import minimize

    start = np.zeros(len(blocks))
    found = minimize(missing, start, args=(blocks, share), jac=True, method="L-BFGS-B")
    return weights_of(found.x)


def missing(x: Floats, blocks: Floats, share: Floats) -> tuple[float, Floats]:
    """Return the negative of what the predictions tell (nats), and its gradient at x (K,)."""
    weights = weights_of(x)
    scores = weighted(weights, blocks, share)
    shifted = scores - scores.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    p = np.exp(log_p)
    told = log_p - np.log(np.maximum(p.mean(0), np.finfo(np.float64).tiny))
    each = (p * told).sum(1, keepdims=True)  # (N, 1): the KL divergence from the mean
    slope = p * (told - each) / (len(p) * (weights @ share))
    of_weights = (slope * blocks).sum((1, 2)) - share @ (slope * scores).sum(0)  # (K,)
    free = weights - LEAST / len(weights)
    return -float(each.mean()), -(free * of_weights - free * (free @ of_weights) / free.sum())


def weights_of(x: Floats) -> Floats:
    """Return weights (K,) that sum to 1, none of them less than LEAST / K."""
    powers = np.exp(x - x.max())
    return np.asarray(LEAST / len(x) + (1 - LEAST) * powers / powers.sum())


def weighted(weights: Floats, blocks: Floats, share: Floats) -> Floats:
    """Return (N, C): the mean of the experts' outputs (`combine`) with the weights (K,)."""
    return np.asarray(np.tensordot(weights, blocks, 1) / (weights @ share))
