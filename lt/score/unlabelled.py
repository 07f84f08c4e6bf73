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

import numpy as np

from lt.score.blocks import Floats, Stacks, log_softmax

LEAST = 0.15  # of an equal weight: theirs stops where one of three is below 0.05


def choose(stacks: Stacks, share: Floats) -> Floats:
    """Return the weights (K,): all alike where no class has two experts, else those of `fit`."""
    return np.ones(len(share)) if (share.max(0) == 1).all() else fit(stacks, share)


def fit(stacks: Stacks, share: Floats) -> Floats:
    """Return the weights (K,), which sum to 1.

    Args:
        stacks: gives, as often as it is called, the blocks of the images to weight by.
        share: (K, C) each expert's part in a class among those that know it, in equal parts.
    """
    from scipy.optimize import minimize

    start = np.zeros(len(share))
    found = minimize(missing, start, args=(stacks, share), jac=True, method="L-BFGS-B")
    return weights_of(found.x)


def missing(x: Floats, stacks: Stacks, share: Floats) -> tuple[float, Floats]:
    """Return the negative of what the predictions tell (nats), and its gradient at x (K,)."""
    weights = weights_of(x)
    known, number = weights @ share, 0
    mean = np.zeros(share.shape[1])
    for _, blocks in stacks():
        mean += np.exp(log_softmax(weighted(weights, blocks, share))).sum(0)
        number += blocks.shape[1]
    mean /= number
    value, of_weights = 0.0, np.zeros(len(x))
    for _, blocks in stacks():
        of_image = weighted(weights, blocks, share)
        log_p = log_softmax(of_image)
        p = np.exp(log_p)
        told = log_p - np.log(np.maximum(mean, np.finfo(np.float64).tiny))
        each = (p * told).sum(1, keepdims=True)  # (N, 1): the KL divergence from the mean
        slope = p * (told - each) / (number * known)
        of_weights += (slope * blocks).sum((1, 2)) - share @ (slope * of_image).sum(0)
        value += float(each.sum())
    free = weights - LEAST / len(weights)
    return -value / number, -(free * of_weights - free * (free @ of_weights) / free.sum())


def weights_of(x: Floats) -> Floats:
    """Return weights (K,) that sum to 1, none of them less than LEAST / K."""
    powers = np.exp(x - x.max())
    return np.asarray(LEAST / len(x) + (1 - LEAST) * powers / powers.sum())


def weighted(weights: Floats, blocks: Floats, share: Floats) -> Floats:
    """Return (N, C): the weighted mean of the experts' outputs.

    Args:
        weights: (K,).
        blocks: (K, N, C) outputs times `share`, 0 where an expert does not know the class.
        share: as for `fit`.
    """
    return np.asarray(np.tensordot(weights, blocks, 1) / (weights @ share))
