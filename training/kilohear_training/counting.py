"""Parameters and multiply-accumulates of a network, counted by running it once."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable values."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(network: nn.Module, example: Tensor) -> int:
    """Return the multiply-accumulates of convolutions and linear layers for one `example`."""
    total = 0

    def count(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Linear):
            total += layer.in_features * output.numel() // output.shape[0]
        elif isinstance(layer, nn.Conv2d | nn.Conv1d):
            taps = layer.in_channels // layer.groups * math.prod(layer.kernel_size)
            total += taps * output.numel() // output.shape[0]

    was_training = network.training
    hooks = [layer.register_forward_hook(count) for layer in network.modules()]
    try:
        with torch.no_grad():
            network.eval()(example)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return total
