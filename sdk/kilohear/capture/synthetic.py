"""A synthetic scene: tones, noise bursts and silence, for a try-out where no recording is."""

from __future__ import annotations

import dataclasses
import math
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import ConfigError
from kilohear.files import replacing

_RAMP_S = 0.01  # fade at both ends of a part: no clicks


@dataclasses.dataclass(frozen=True)
class Part:
    """One stretch of a scene; `tone_hz` is None where it is no tone."""

    label: str
    start_s: float
    end_s: float
    tone_hz: float | None = None


class Scene:
    """A made-up scene that says so: every label begins with "synthetic".

    Usable as a source. The same seed gives the same samples.

    Parameters
    ----------
    duration_s
        Length of the scene, seconds.
    rate_hz
        Sampling rate.
    seed
        Seed of everything random in it.
    part_s
        Length of a part, seconds.
    block_s
        Length of a block, seconds.
    """

    name = "synthetic scene"
    lost_samples = 0

    def __init__(
        self,
        duration_s: float = 20.0,
        rate_hz: int = 16_000,
        seed: int = 0,
        part_s: float = 2.5,
        block_s: float = 0.1,
    ) -> None:
        for name, value in (("duration_s", duration_s), ("part_s", part_s), ("block_s", block_s)):
            if not value > 0:
                raise ConfigError(f"synthetic scene: {name} is {value}; give a length above 0 s")
        if rate_hz < 1_000:
            raise ConfigError(f"synthetic scene: rate_hz is {rate_hz}; give 1,000 or more")
        self.duration_s = duration_s
        self.rate_hz = self.requested_hz = rate_hz
        self.seed = seed
        self.part_s = part_s
        self.block_s = block_s

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is heard when: a tone, silence, a burst of noise, silence, and so on."""
        random = np.random.default_rng(self.seed)
        parts = []
        for i in range(math.ceil(self.duration_s / self.part_s)):
            start_s = i * self.part_s
            end_s = min(start_s + self.part_s, self.duration_s)
            kind = ("tone", "silence", "noise burst", "silence")[i % 4]
            tone_hz = float(random.uniform(100.0, 400.0)) if kind == "tone" else None
            parts.append(Part(f"synthetic {kind}", start_s, end_s, tone_hz))
        return tuple(parts)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the scene in blocks (samples,)."""
        clip = self.clip()
        size = max(1, round(self.block_s * self.rate_hz))
        for start in range(0, len(clip), size):
            yield clip[start : start + size].copy()

    def clip(self) -> NDArray[np.float32]:
        """Return the whole scene, shape (samples,)."""
        random = np.random.default_rng(self.seed + 1)
        clip = 1e-4 * random.standard_normal(round(self.duration_s * self.rate_hz))
        for part in self.parts:
            start, end = round(part.start_s * self.rate_hz), round(part.end_s * self.rate_hz)
            time_s = np.arange(end - start) / self.rate_hz
            ramp = np.minimum(1.0, np.minimum(time_s, time_s[::-1]) / _RAMP_S)
            if part.tone_hz is not None:
                clip[start:end] += 0.3 * ramp * np.sin(2 * np.pi * part.tone_hz * time_s)
            elif part.label.endswith("noise burst"):
                clip[start:end] += 0.1 * ramp * random.standard_normal(end - start)
        return np.clip(clip, -1.0, 1.0).astype(np.float32)

    def write(self, path: Path) -> None:
        """Write the scene as a 16-bit mono WAV, atomically."""
        samples = np.round(self.clip() * 32_767).astype("<i2")
        with replacing(path) as temporary, wave.open(str(temporary), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self.rate_hz)
            file.writeframes(samples.tobytes())
