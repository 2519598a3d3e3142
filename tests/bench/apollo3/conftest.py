"""The board's stages as this machine runs them and as its processor does, simulated."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from apollo3.checks.arm import (
    ARM_CC,
    HOST_CC,
    STAGES,
    ArmKernel,
    build_arm,
    build_host,
    missing_tool,
)

DSP = tuple(STAGES / name for name in ("decimator.c", "fft.c", "logmel.c"))


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The DSP stages, built for this machine."""
    if reason := missing_tool(HOST_CC):
        pytest.skip(reason)
    return build_host(DSP, tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="session")
def arm_elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The DSP stages, built for the board's processor."""
    if reason := missing_tool(ARM_CC):
        pytest.skip(reason)
    return build_arm(DSP, tmp_path_factory.mktemp("arm"))


@pytest.fixture
def arm(arm_elf: Path) -> ArmKernel:
    """Those, in a simulator whose memory is fresh."""
    return ArmKernel(arm_elf)
