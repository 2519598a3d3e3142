"""The front end: one definition of log-mel features, and its numpy form.

Training holds the same definition as a torch module, the firmware as C; golden vectors in the
tests hold the three together.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import ConfigError
from kilohear.finite import require_finite
from kilohear.polyphase import PolyphaseResampler, strided_rows

PRESETS = ("paper", "panns32", "cropped", "native", "mn04")
MOST_HZ = 1_000_000
"""More than any sound card samples: what a damaged card or file announces beyond is refused."""

FRAMES_AT_ONCE = 128
"""More in one go leave the processor's cache: three times as slow for a clip of 10 s at 16 kHz."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrontEnd:
    """Log-mel features of a waveform at `rate_hz`.

    The waveform is cut into frames of `window_s` every `hop_s`, weighted by a periodic Hann
    window, transformed by a DFT of `fft` points, squared, summed into mel bands, and compressed.

    Attributes
    ----------
    rate_hz
        Rate of the waveform that comes in.
    window_s, hop_s
        Frame length and distance, seconds.
    fft
        DFT length in samples; the window stands in its middle.
    bands, low_hz, high_hz, scale
        The mel bank: `slaney` (area-normalised triangles on Slaney's scale, as librosa's default)
        or `kaldi` (unit triangles, linear in 1127 ln(1 + f/700)).
    floor_db, compression
        `db`: 10 log10(max(power, floor)); `ln`: ln(power + floor).
    normalisation
        (offset, divisor): features are (value + offset) / divisor.
    upsample_to_hz
        The rate at which the spectrum is computed, where that isn't `rate_hz`.
    reference_hz
        The rate at which levels are as published; a spectrum computed at a lower rate is raised
        by 20 log10(reference_hz / that rate).
    centred
        Frames centred on multiples of the hop, the clip mirrored at both ends; else frames lie
        wholly inside the clip.
    pre_emphasis
        Coefficient of 1 - c/z at `reference_hz`, applied to the spectrum.
    dead_bands
        Bands that begin at or above the waveform's Nyquist frequency: `floor` writes them to
        `floor_db`, `drop` leaves them out.
    """

    rate_hz: int
    window_s: float
    hop_s: float
    fft: int
    bands: int
    low_hz: float
    high_hz: float
    scale: Literal["slaney", "kaldi"] = "slaney"
    floor_db: float = -100.0
    compression: Literal["db", "ln"] = "db"
    normalisation: tuple[float, float] = (0.0, 1.0)
    upsample_to_hz: int | None = None
    reference_hz: int = 16_000
    centred: bool = False
    pre_emphasis: float = 0.0
    dead_bands: Literal["floor", "drop"] = "drop"

    def __post_init__(self) -> None:
        most = {"rate_hz": MOST_HZ, "reference_hz": MOST_HZ, "fft": MOST_HZ, "bands": 4_096}
        if self.upsample_to_hz is not None:
            most["upsample_to_hz"] = MOST_HZ
        for name, limit in most.items():
            if not 1 <= getattr(self, name) <= limit:
                raise ConfigError(
                    f"front end: {name} is {getattr(self, name)}; give 1 to {limit:,}"
                )
        for name in ("window_s", "hop_s"):
            seconds = getattr(self, name)
            if not 0.5 < seconds * self.analysis_hz <= MOST_HZ:
                raise ConfigError(
                    f"front end: {name} is {seconds} s, under one sample or over {MOST_HZ:,}"
                )
        if self.hop > self.window:
            raise ConfigError(
                f"front end: hop_s is {self.hop_s}, longer than window_s {self.window_s}; "
                "sound between frames would be skipped"
            )
        if self.fft < self.window:
            raise ConfigError(
                f"front end: fft is {self.fft} points, shorter than the window of {self.window}; "
                "raise fft or shorten window_s"
            )
        if not 0 <= self.low_hz < self.high_hz:
            raise ConfigError(f"front end: bands from {self.low_hz} to {self.high_hz} Hz are empty")
        if self.low_hz >= self.rate_hz / 2:
            raise ConfigError(
                f"front end: low_hz is {self.low_hz}, at or above the Nyquist frequency "
                f"{self.rate_hz / 2} of rate_hz {self.rate_hz}; no band holds signal"
            )

    @staticmethod
    def preset(name: str, rate_hz: int) -> FrontEnd:
        """Return one of the named front ends for a waveform at `rate_hz`.

        `paper`
            The paper's features: up-sampled to 16 kHz, 512 points every 10 ms, 64 Slaney bands
            from 50 to 8000 Hz (PANNs' CNN14_16k). The reference.
        `panns32`
            What the other PANNs learnt AudioSet with: up-sampled to 32 kHz, 1024 points every
            10 ms, 64 Slaney bands from 50 to 14,000 Hz.
        `cropped`
            The paper's bands computed at the low rate; those above its Nyquist frequency left out.
        `native`
            All bands inside what the rate can hold: below 4 kHz 48 bands over 128 ms windows,
            from 4 kHz up 64 bands over 25 ms windows.
        `mn04`
            What the AudioSet weights of EfficientAT's mn04 expect, computed at `rate_hz`.
        """
        if name == "paper":
            upsample_to_hz = None if rate_hz == 16_000 else 16_000
            return FrontEnd(
                rate_hz=rate_hz,
                upsample_to_hz=upsample_to_hz,
                dead_bands="floor",
                **_panns_16k(16_000),
            )
        if name == "panns32":
            return FrontEnd(
                rate_hz=rate_hz,
                upsample_to_hz=None if rate_hz == 32_000 else 32_000,
                dead_bands="floor",
                reference_hz=32_000,
                window_s=0.032,
                hop_s=0.010,
                fft=1024,
                bands=64,
                low_hz=50.0,
                high_hz=14_000.0,
                centred=True,
            )
        if name == "cropped":
            return FrontEnd(rate_hz=rate_hz, **_panns_16k(rate_hz))
        if name == "native":
            return _native(rate_hz)
        if name == "mn04":
            return FrontEnd(
                rate_hz=rate_hz,
                window_s=0.025,
                hop_s=0.010,
                fft=_points(0.032, rate_hz, "mn04"),
                bands=128,
                low_hz=0.0,
                high_hz=15_000.0,
                scale="kaldi",
                floor_db=-50.0,
                compression="ln",
                normalisation=(4.5, 5.0),
                reference_hz=32_000,
                centred=True,
                pre_emphasis=0.97,
            )
        raise ConfigError(f"front end preset {name!r} is unknown; use one of {', '.join(PRESETS)}")

    @property
    def analysis_hz(self) -> int:
        """The rate at which the spectrum is computed."""
        return self.upsample_to_hz or self.rate_hz

    @cached_property
    def window(self) -> int:
        """Frame length in samples at `analysis_hz`."""
        return round(self.window_s * self.analysis_hz)

    @cached_property
    def hop(self) -> int:
        """Frame distance in samples at `analysis_hz`."""
        return round(self.hop_s * self.analysis_hz)

    @cached_property
    def floor_power(self) -> float:
        """The power that `floor_db` stands for."""
        return 10.0 ** (self.floor_db / 10.0)

    @cached_property
    def live_bands(self) -> int:
        """How many of the `bands` begin below the waveform's Nyquist frequency."""
        return int(np.sum(self._edges_hz[:-2] < self.rate_hz / 2))

    @cached_property
    def features(self) -> int:
        """Features per frame: the last axis of the log-mel."""
        return self.bands if self.dead_bands == "floor" else self.live_bands

    def frames(self, samples: int) -> int:
        """Return how many frames a clip of `samples` at `rate_hz` gives."""
        length = -(-samples * self.analysis_hz // self.rate_hz)
        if self.centred:
            return 1 + length // self.hop
        return max(0, 1 + (length - self.window) // self.hop)

    @cached_property
    def _edges_hz(self) -> NDArray[np.float64]:
        to_mel, to_hz = _SCALES[self.scale]
        mels = np.linspace(to_mel(self.low_hz), to_mel(self.high_hz), self.bands + 2)
        return to_hz(mels)

    @cached_property
    def taper(self) -> NDArray[np.float64]:
        """The periodic Hann window, shape (window,)."""
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)

    @cached_property
    def filter_bank(self) -> NDArray[np.float64]:
        """Weights from DFT power to the live bands, level and pre-emphasis in, (bins, live)."""
        bins_hz = np.fft.rfftfreq(self.fft, 1 / self.analysis_hz)
        to_mel, _ = _SCALES[self.scale]
        edges_hz = self._edges_hz[: self.live_bands + 2]
        if self.scale == "slaney":  # triangles linear in Hz
            x, edges = bins_hz[:, None], edges_hz
        else:  # triangles linear in mel
            x, edges = to_mel(bins_hz)[:, None], to_mel(edges_hz)
        left, centre, right = edges[:-2], edges[1:-1], edges[2:]
        rising, falling = (x - left) / (centre - left), (right - x) / (right - centre)
        bank = np.maximum(0.0, np.minimum(rising, falling))
        if self.scale == "slaney":
            bank *= 2.0 / (edges_hz[2:] - edges_hz[:-2])
        turn = np.exp(-2j * np.pi * bins_hz / self.reference_hz)
        gain = np.abs(1 - self.pre_emphasis * turn) ** 2
        return bank * gain[:, None] * (self.reference_hz / self.analysis_hz) ** 2

    def log_mel(self, clip: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the features of a whole clip (samples,) at `rate_hz`, (frames, features)."""
        stream = self.stream()
        return np.concatenate([stream.push(clip), stream.flush()])

    def stream(self) -> LogMelStream:
        """Return a stream that gives the same features block by block."""
        return LogMelStream(self)

    @cached_property
    def _sparse_bank(self) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
        """The bank's weights that aren't 0, band by band: bins, weights, where each band starts."""
        is_used = self.filter_bank != 0
        is_used[0] |= ~is_used.any(axis=0)  # each band needs an entry: an empty one has weight 0
        bands, bins = np.nonzero(is_used.T)
        starts = np.searchsorted(bands, np.arange(self.live_bands))
        return bins, self.filter_bank[bins, bands], starts

    def _log_mel_of_frames(self, frames: NDArray[np.float64]) -> NDArray[np.float32]:
        """Features of frames (n, window), (n, features)."""
        # Where the window stands among the points turns phases only: rfft puts it first.
        spectrum = np.fft.rfft(frames * self.taper, self.fft)
        power = spectrum.real**2 + spectrum.imag**2  # (n, bins)
        bins, weights, starts = self._sparse_bank
        live = np.zeros((len(frames), self.features))  # dead bands hold no power
        # reduceat sums in one fixed order, so a stream and a whole clip agree bit for bit.
        live[:, : self.live_bands] = np.add.reduceat(power.take(bins, 1) * weights, starts, 1)
        if self.compression == "db":
            # numpy's natural logarithm is twice as fast as its log10.
            values = np.log(np.maximum(live, self.floor_power)) * (10 / np.log(10))
        else:
            values = np.log(live + self.floor_power)
        offset, divisor = self.normalisation
        return ((values + offset) / divisor).astype(np.float32)


class LogMelStream:
    """Log-mel features of a stream; over all blocks they equal `FrontEnd.log_mel`."""

    def __init__(self, front_end: FrontEnd) -> None:
        self._front_end = front_end
        self._upsampler = (
            PolyphaseResampler(front_end.rate_hz, front_end.analysis_hz)
            if front_end.upsample_to_hz
            else None
        )
        self._samples = np.empty(0)
        self._taken = 0
        self._started = not front_end.centred
        # A centred frame of `fft` points begins this much before its window does.
        self._margin = front_end.fft // 2 if front_end.centred else 0

    def push(self, block: NDArray[np.floating]) -> NDArray[np.float32]:
        """Take a block (samples,) at `rate_hz`; return the frames it completes, (n, features).

        Raises
        ------
        AudioError
            Where a sample is NaN or infinite, naming its time; nothing of the block is taken.
        """
        require_finite(block, self._front_end.rate_hz, self._taken)
        self._taken += len(block)
        fresh = self._upsampler.push(block) if self._upsampler else block
        self._samples = np.concatenate([self._samples, np.asarray(fresh, np.float64)])
        return self._take_frames()

    def flush(self) -> NDArray[np.float32]:
        """End the stream; return the frames that reach past its end, (n, features)."""
        if self._upsampler:
            fresh = self._upsampler.flush().astype(np.float64)
            self._samples = np.concatenate([self._samples, fresh])
        first = self._take_frames()
        last = first[:0]
        margin = self._margin
        if margin:
            if not self._started or len(self._samples) <= margin:
                raise ConfigError(
                    f"front end: a clip shorter than {margin + 1} samples at "
                    f"{self._front_end.analysis_hz:,} Hz can't be mirrored at its ends; "
                    "give a longer clip"
                )
            self._samples = np.concatenate([self._samples, self._samples[-2 : -margin - 2 : -1]])
            last = self._take_frames()
        self.__init__(self._front_end)
        return np.concatenate([first, last])

    def _take_frames(self) -> NDArray[np.float32]:
        front_end, margin = self._front_end, self._margin
        if not self._started and len(self._samples) > margin:
            self._samples = np.concatenate([self._samples[margin:0:-1], self._samples])
            self._started = True
        # Frames span fft points when centred, of which the window is the middle.
        span = front_end.fft if front_end.centred else front_end.window
        if not self._started or len(self._samples) < span:
            return np.empty((0, front_end.features), np.float32)
        window, hop = front_end.window, front_end.hop
        count = 1 + (len(self._samples) - span) // hop
        frames = strided_rows(self._samples, (span - window) // 2, window, hop, count)
        parts = [frames[i : i + FRAMES_AT_ONCE] for i in range(0, count, FRAMES_AT_ONCE)]
        features = np.concatenate([front_end._log_mel_of_frames(part) for part in parts])
        self._samples = self._samples[count * hop :].copy()
        return features


def _native(rate_hz: int) -> FrontEnd:
    """All bands inside the rate's own band, levels as computed."""
    low_rate = rate_hz < 4_000
    window_s = 0.128 if low_rate else 0.025
    return FrontEnd(
        rate_hz=rate_hz,
        window_s=window_s,
        hop_s=0.032 if low_rate else 0.020,
        fft=1 << (round(window_s * rate_hz) - 1).bit_length(),  # the next power of two
        bands=48 if low_rate else 64,
        low_hz=20.0 if low_rate else 50.0,
        high_hz=rate_hz / 2,
        reference_hz=rate_hz,
    )


def _panns_16k(analysis_hz: int) -> dict[str, Any]:
    """Return CNN14_16k's front end (PANNs), computed at `analysis_hz`."""
    return {
        "window_s": 0.032,
        "hop_s": 0.010,
        "fft": _points(0.032, analysis_hz, "paper"),
        "bands": 64,
        "low_hz": 50.0,
        "high_hz": 8_000.0,
        "centred": True,
    }


def _points(seconds: float, rate_hz: int, preset: str) -> int:
    points = seconds * rate_hz
    if abs(points - round(points)) > 1e-6:
        raise ConfigError(
            f"front end {preset!r}: {seconds} s at {rate_hz} Hz is {points:g} samples, "
            f"not a whole number; use a rate that is a multiple of {round(1 / seconds)} Hz "
            "or another preset"
        )
    return round(points)


def _slaney_mel(hz: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """Slaney's Auditory Toolbox scale: linear to 1 kHz, then 27 steps per factor of 6.4."""
    hz = np.asarray(hz, np.float64)
    linear = hz / (200.0 / 3.0)
    bent = 15.0 + np.log(np.maximum(hz, 1e-9) / 1000.0) * 27.0 / np.log(6.4)
    return np.where(hz < 1000.0, linear, bent)


def _slaney_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    mel = np.asarray(mel, np.float64)
    bent = 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, bent)


def _kaldi_mel(hz: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """Kaldi's scale: 1127 ln(1 + f / 700)."""
    return 1127.0 * np.log1p(np.asarray(hz, np.float64) / 700.0)


def _kaldi_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700.0 * np.expm1(np.asarray(mel, np.float64) / 1127.0)


_SCALES = {"slaney": (_slaney_mel, _slaney_hz), "kaldi": (_kaldi_mel, _kaldi_hz)}
