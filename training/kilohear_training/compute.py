"""What a training runs on: the processor, or a GPU with mixed precision and compiled kernels."""

from __future__ import annotations

import contextlib
import dataclasses
from contextlib import AbstractContextManager
from typing import Literal, cast

import torch
from torch import Tensor, nn


@dataclasses.dataclass(frozen=True)
class Compute:
    """Where and how the numbers are worked out; written into every result.

    On a CPU all is float32 and eager: bfloat16 is 4 to 10 times slower there, and compiling costs
    minutes and gains nothing. With one thread the results are equal bit for bit, run after run.
    On a GPU convolutions run in bfloat16 and the network is compiled; losses stay float32.
    """

    device: str = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    compiled: bool = False

    @staticmethod
    def best() -> Compute:
        """Return what this machine does fastest."""
        if torch.cuda.is_available():
            return Compute("cuda", "bfloat16", compiled=True)
        return Compute()

    def place(self, network: nn.Module) -> nn.Module:
        """Move the network to the device, channels last, which convolutions do fastest."""
        network.to(self.device)
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        return network

    def callable(self, network: nn.Module) -> nn.Module:
        """Return what to call in place of the placed `network`; they share their weights."""
        return cast(nn.Module, torch.compile(network)) if self.compiled else network

    def forward(self, network: nn.Module, inputs: Tensor) -> Tensor:
        """Return float32 logits (batch, classes) of features (batch, 1, frames, bands)."""
        with self._mixed():
            logits = network(inputs.to(self.device, memory_format=torch.channels_last))
        return logits.float()

    def _mixed(self) -> AbstractContextManager[object]:
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device, dtype=torch.bfloat16)
