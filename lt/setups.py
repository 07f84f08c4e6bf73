"""What happens to a net before a phase: (net) -> the parameters that the phase trains."""

from __future__ import annotations

from torch import nn

from lt.nets import Net, Scaled
from lt.plan import Setup


def everything(net: Net) -> list[nn.Parameter]:
    """The whole net is trained."""
    return list(net.parameters())


def scales_only(net: Net) -> list[nn.Parameter]:
    """LWS (Kang et al. 2020, section 4.3): a scale per output, all else frozen bit for bit."""
    net.requires_grad_(False)
    assert isinstance(net.classifier, nn.Linear)
    net.classifier = scaled = Scaled(net.classifier)
    return [scaled.scale]


def tau_normalise(tau: float) -> Setup:
    """Rows of the classifier divided by their norm ** tau, bias dropped (Kang et al. 2020, 4.2)."""

    def setup(net: Net) -> list[nn.Parameter]:
        net.requires_grad_(False)
        linear = net.classifier
        assert isinstance(linear, nn.Linear)
        linear.weight /= linear.weight.norm(dim=1, keepdim=True) ** tau
        linear.register_parameter("bias", None)
        return []

    return setup
