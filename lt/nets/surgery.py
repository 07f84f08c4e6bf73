"""What happens to a net before a phase: (net, given) -> the parameters that the phase trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lt.data.views import Ints
from lt.nets.heads import Distance, MaxNorm, NearestMean, Scaled
from lt.nets.net import Net, Taught


@dataclass(frozen=True)
class Given:
    """What a setup may use besides the net.

    Attributes:
        generator: on the CPU, for what it draws; another one for every expert and phase.
        features: () -> (N, features) of the net's backbone in evaluation mode, on its device, for
            the training images that the expert sees, and their targets (N,).
        start: the networks that the method starts from (`methods.<name>.start`), none if fresh.
    """

    generator: torch.Generator
    features: Callable[[], tuple[Tensor, Ints]]
    start: tuple[Net, ...]


# Changes the net in place -> the parameters to train; a module of frozen parameters alone stays
# in evaluation mode, so that its batch-norm statistics are frozen too.
Setup = Callable[[Net, Given], list[nn.Parameter]]


def everything(net: Net, given: Given) -> list[nn.Parameter]:  # noqa: ARG001 (the contract)
    """Return all parameters: the whole net is trained, whatever an earlier phase has frozen."""
    return list(net.requires_grad_(True).parameters())


def without_backbone(net: Net, parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    """Freeze the backbone, and return what is left of `parameters`.

    Of a net of branches the backbone is what they share.
    """
    net.backbone.requires_grad_(False)
    return [parameter for parameter in parameters if parameter.requires_grad]


def scales_only(net: Net, given: Given) -> list[nn.Parameter]:  # noqa: ARG001
    """Add a scale per output, all else frozen bit for bit: LWS (Kang et al. 2020, section 4.3)."""
    linear = _linear(net)
    net.requires_grad_(False)
    net.classifier = scaled = Scaled(linear)
    return [scaled.scale]


def tau_normalise(tau: float) -> Setup:
    """Make a setup that divides the classifier's rows by their norm ** tau.

    The bias is dropped (Kang et al. 2020, section 4.2).
    """

    def setup(net: Net, given: Given) -> list[nn.Parameter]:  # noqa: ARG001
        linear = _linear(net)
        net.requires_grad_(False)
        linear.weight.copy_(tau_normalised(linear.weight, tau))
        linear.register_parameter("bias", None)
        return []

    return setup


def tau_normalised(weight: Tensor, tau: float) -> Tensor:
    """Return a classifier's rows (C, features) divided by their norm ** tau.

    The source is Kang et al. 2020, section 4.2.
    """
    result: Tensor = weight / weight.norm(dim=1, keepdim=True) ** tau
    return result


def new_classifier(net: Net, given: Given) -> list[nn.Parameter]:
    """Draw a new classifier, all else frozen bit for bit: cRT (Kang et al. 2020, section 4.1)."""
    old = _linear(net)
    net.requires_grad_(False)
    net.classifier = fresh = nn.Linear(old.in_features, old.out_features)
    bound = fresh.in_features**-0.5
    for parameter in fresh.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=given.generator)
    fresh.to(old.weight)
    return list(fresh.parameters())


def shift_bias(offsets: Sequence[float]) -> Setup:
    """Make a setup that adds `offsets` to the outputs; nothing is trained."""

    def setup(net: Net, given: Given) -> list[nn.Parameter]:  # noqa: ARG001
        bias = _linear(net).bias.data
        if len(offsets) != len(bias):
            raise ValueError(
                f"offsets: expected one for each of {len(bias)} outputs, got {len(offsets)}"
            )
        net.requires_grad_(False)
        bias.add_(torch.tensor(offsets, dtype=bias.dtype, device=bias.device))
        return []

    return setup


def nearest_mean(distance: Distance) -> Setup:
    """Make a setup that tells classes by the nearest mean of their features.

    The source is Kang et al. 2020, section 4.1.
    """

    def setup(net: Net, given: Given) -> list[nn.Parameter]:
        features, targets = given.features()
        every = range(net.classifier(features[:1]).shape[1])
        if missing := set(every) - set(targets.tolist()):
            raise ValueError(f"nearest mean: class {min(missing)} has no image")
        net.requires_grad_(False)
        means = [features[torch.from_numpy(targets == k)].mean(0) for k in every]
        net.classifier = NearestMean(torch.stack(means), distance)
        return []

    return setup


def max_norm(limit: float) -> Setup:
    """Make a setup that trains the classifier alone, with the norms of its rows bounded.

    Of the norms that the rows have now, the bound is the least, plus `limit` times what the largest
    has more (ShadeAlsha/LTR-weight-balancing at e89f292, utils/regularizers.py).
    """

    def setup(net: Net, given: Given) -> list[nn.Parameter]:  # noqa: ARG001
        linear = _linear(net)
        net.requires_grad_(False)
        least, most = linear.weight.norm(dim=1).aminmax()
        net.classifier = bounded = MaxNorm(linear, float(least + limit * (most - least)))
        return list(bounded.requires_grad_(True).parameters())

    return setup


def learn_from_start(net: Net, given: Given) -> list[nn.Parameter]:
    """Put the networks that the method starts from beside the net, as frozen teachers."""
    net.backbone = Taught(net.backbone, net.classifier, given.start)
    net.classifier = nn.Identity()
    return [parameter for parameter in net.parameters() if parameter.requires_grad]


def forget_teachers(net: Net, given: Given) -> list[nn.Parameter]:  # noqa: ARG001
    """Undo `learn_from_start`, so that only the net is left."""
    taught = net.backbone
    assert isinstance(taught, Taught)
    net.backbone, net.classifier = taught.backbone, taught.classifier
    return []


def _linear(net: Net) -> nn.Linear:
    classifier = net.classifier
    if not isinstance(classifier, nn.Linear) or classifier.bias is None:
        raise ValueError(
            "start: this second stage expected a network with a plain linear classifier, "
            f"got {type(classifier).__name__}"
            f"{' without a bias' if isinstance(classifier, nn.Linear) else ''}"
        )
    return classifier
