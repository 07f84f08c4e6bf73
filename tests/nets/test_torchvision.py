"""Our ResNet-18 against torchvision's, with the same weights on random input."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models import resnet18

from lt.nets import backbones


def test_it_is_torchvisions_in_values_and_gradients() -> None:
    """Kernels here hold only the taps that meet a pixel: those left out have no gradient there."""
    torch.manual_seed(0)
    theirs = resnet18(num_classes=7).double()
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    module, _ = backbones.make("resnet18", 3, image_size=32)
    ours = nn.Sequential(module.double(), nn.Linear(512, 7).double())
    state = theirs.state_dict()
    ours[1].load_state_dict({key: state.pop(f"fc.{key}") for key in ("weight", "bias")})
    module.load_state_dict(state)
    results, slopes = [], []
    for net, stem in ((theirs, theirs.conv1), (ours, module.conv1)):
        logits = net.train()(images)
        logits.square().mean().backward()
        results.append(logits.detach())
        slopes.append(stem.weight.grad)
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(*slopes, rtol=1e-8, atol=1e-10)
    for name, buffer in theirs.named_buffers():
        torch.testing.assert_close(buffer, module.get_buffer(name), rtol=1e-10, atol=1e-10)
