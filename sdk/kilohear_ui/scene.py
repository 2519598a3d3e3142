"""The demo scene: sounds with known labels, for a try-out where no microphone is to be used."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.capture import BLOCK_S, open_source
from kilohear.decimator import decimate
from kilohear.errors import ExtraError
from kilohear.files import data_root

SYNTHETIC = "demo-synthetic"
"""The source that plays made-up sounds even where recordings are."""

RATE_HZ = 16_000
PART_S, SILENCE_S = 8.0, 2.0
"""The silence is shorter than a window: the students have no class for a window without sound."""

CLIPS = {
    "dog": "1-100032-A-0",
    "rooster": "1-26806-A-1",
    "rain": "1-17367-A-10",
    "crying_baby": "1-187207-A-20",
    "chainsaw": "1-116765-A-41",
}
"""Recordings by label: the first clip of each of these classes in ESC-50's table (Piczak 2015;
ESC-10 is CC BY 3.0), chosen before any student heard them."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One stretch of a scene: which sound is heard when."""

    label: str
    start_s: float
    end_s: float


class DemoScene:
    """A source of sounds with known labels, silence between them.

    They are ESC-10's first clips where `kilohear.files.data_root` has them and soundfile reads
    them, resampled to 16 kHz, else sounds made by numpy. The made-up ones were shaped until the
    shipped students took them for what they are called (but for the chainsaw at 16 kHz): that they
    are recognised says nothing of accuracy.

    Parameters
    ----------
    synthetic
        Whether to take made-up sounds in any case.
    loops
        Whether it begins anew at its end.
    block_s
        Length of a block, seconds.
    """

    lost_samples = 0
    rate_hz = requested_hz = RATE_HZ

    def __init__(
        self, *, synthetic: bool = False, loops: bool = True, block_s: float = BLOCK_S
    ) -> None:
        self._clips = None if synthetic else _recorded()
        self.is_synthetic = self._clips is None
        self.name = "demo (made-up sounds)" if self.is_synthetic else "demo (ESC-10)"
        self.loops = loops
        self._block = max(1, round(block_s * RATE_HZ))

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is heard when, seconds, the first time round."""
        labels = tuple(_SOUNDS) if self._clips is None else tuple(self._clips)
        each_s = PART_S + SILENCE_S
        return tuple(Part(n, i * each_s, i * each_s + PART_S) for i, n in enumerate(labels))

    @property
    def duration_s(self) -> float:
        """Length of one round, seconds."""
        return len(self.parts) * (PART_S + SILENCE_S)

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the scene in blocks (samples,)."""
        while True:
            for part in self.parts:
                yield from self._cut(self._sound(part.label))
            if not self.loops:
                return

    def _sound(self, label: str) -> NDArray[np.float32]:
        """Return a part and the silence after it, shape (samples,)."""
        sound = made_up(label) if self._clips is None else _read(self._clips[label])
        whole = np.zeros(round((PART_S + SILENCE_S) * RATE_HZ), np.float32)
        length = round(PART_S * RATE_HZ)
        whole[:length] = np.resize(sound, length)  # a clip of 5 s begins anew
        # A room's noise: exact zeros come from microphones that are switched off.
        random = np.random.default_rng(0)
        whole += 1e-5 * random.standard_normal(len(whole))
        return whole

    def _cut(self, sound: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(sound), self._block):
            yield sound[start : start + self._block].copy()


def made_up(label: str, seconds: float = PART_S, seed: int = 0) -> NDArray[np.float32]:
    """Return a made-up sound (samples,) at `RATE_HZ`."""
    random = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return _SOUNDS[label](time_s, random).astype(np.float32)


def _clicks(time_s: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return damped clicks, two a second."""
    since_s = time_s % 0.5
    click = np.exp(-since_s / 0.02) * np.sin(2 * np.pi * 1_500 * since_s)
    click += 0.5 * np.exp(-since_s / 0.007) * np.sin(2 * np.pi * 3_000 * since_s)
    return 0.5 * click + 5e-4 * random.standard_normal(len(time_s))


def _rain(time_s: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return noise as loud at all frequencies."""
    return 0.15 * random.standard_normal(len(time_s))


def _waves(time_s: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return noise that swells every 3 s."""
    return 0.15 * (0.15 + np.sin(np.pi * time_s / 3) ** 4) * _falling(len(time_s), random)


def _cries(time_s: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return cries of 1 s: harmonics of a pitch that rises and falls."""
    phase = np.minimum(time_s % 1.4, 1.0)
    pitch_hz = 420 * (1 + 0.15 * np.sin(np.pi * phase))
    angle = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    voice = sum(np.sin(k * angle) / k for k in range(1, 9))
    return 0.3 * np.sqrt(np.sin(np.pi * phase).clip(0)) * voice


def _saw(time_s: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
    """Return a motor's buzz: harmonics of a speed that wavers."""
    angle = 2 * np.pi * (90 * time_s + 3 * np.sin(2 * np.pi * 0.7 * time_s))
    order = np.arange(1, 60)[:, None]
    return 0.05 * np.sum(np.sin(order * angle) / np.sqrt(order), axis=0)


def _falling(samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return noise (samples,) of RMS 1 whose power falls by 3 dB an octave."""
    frequency_hz = np.fft.rfftfreq(samples, 1 / RATE_HZ)
    bins = random.standard_normal((2, len(frequency_hz)))
    gain = np.where(frequency_hz >= 20, np.maximum(frequency_hz, 1.0) ** -0.5, 0.0)
    noise = np.fft.irfft((bins[0] + 1j * bins[1]) * gain, samples)
    return noise / np.std(noise)


_SOUNDS: dict[str, Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.float64]]] = {
    "clock_tick": _clicks,
    "rain": _rain,
    "crying_baby": _cries,
    "sea_waves": _waves,
    "chainsaw": _saw,
}


def _recorded() -> dict[str, Path] | None:
    """Return the recordings by label; None where one isn't there or soundfile isn't."""
    folder = data_root() / "esc50" / "audio"
    found = {}
    for label, name in CLIPS.items():
        there = [
            path for path in (folder / f"{name}.wav", folder / f"{name}.flac") if path.exists()
        ]
        if not there:
            return None
        found[label] = there[0]
    try:
        extras.load("soundfile")
    except ExtraError:
        return None
    return found


def _read(path: Path) -> NDArray[np.float32]:
    """Return a recording at the scene's rate (samples,)."""
    recording = open_source(path)
    clip = np.concatenate(list(recording.blocks()))
    return decimate(clip, recording.rate_hz, RATE_HZ)
