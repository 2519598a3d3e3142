"""Log-mel: kilohear's numpy beside librosa, torch and kaldi-native-fbank, the same quantity each.

All are set to one `FrontEnd` of the preset `native`: the same frame length and hop, DFT points,
periodic Hann window, Slaney bands, power in dB over the same floor; no dither, no pre-emphasis, no
removal of the mean. librosa and torch put the window into the middle of the DFT's points and begin
with a whole DFT's worth of samples, so their clip gets half of the spare points as zeros at both
ends; the frames are then the same. Before anything is timed the features are compared.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear import extras
from kilohear.decimator import Decimator, decimate
from kilohear.errors import BackendError, ExtraError
from kilohear.frontend import FrontEnd
from kilohear_bench.latency import WARM_UP, time_in_turns
from kilohear_bench.machine import load_conditions
from kilohear_bench.run import Say
from kilohear_bench.speed.part import Part, Taking

CLIP_HZ = 16_000
RATES_HZ = (CLIP_HZ, 2_000, 1_000)
SOUND_S, BLOCK_S = 10.0, 0.1
TOLERANCE_DB = 1e-3
"""Most that a peer may differ from kilohear in any value: peers compute in float32."""

Blocks = Sequence[NDArray[np.float32]]
LogMel = Callable[[Blocks], NDArray[np.float32]]
"""Consecutive blocks (samples,) of a clip to its features (frames, bands), dB."""


def kilohear_numpy(front_end: FrontEnd) -> LogMel:
    """Return kilohear's own, a stream of any blocks."""

    def log_mel(blocks: Blocks) -> NDArray[np.float32]:
        stream = front_end.stream()
        return np.concatenate([*map(stream.push, blocks), stream.flush()])

    return log_mel


def librosa_log_mel(front_end: FrontEnd) -> LogMel:
    """Return librosa's: `feature.melspectrogram` and `power_to_db`; it takes whole clips."""
    librosa = extras.load("librosa")
    spare = (front_end.fft - front_end.window) // 2

    def log_mel(blocks: Blocks) -> NDArray[np.float32]:
        (clip,) = blocks
        power = librosa.feature.melspectrogram(
            y=np.pad(clip, spare),
            sr=front_end.rate_hz,
            n_fft=front_end.fft,
            win_length=front_end.window,
            hop_length=front_end.hop,
            center=False,
            n_mels=front_end.bands,
            fmin=front_end.low_hz,
            fmax=front_end.high_hz,
        )
        return librosa.power_to_db(power, ref=1.0, amin=front_end.floor_power, top_db=None).T

    return log_mel


def torch_log_mel(front_end: FrontEnd) -> LogMel:
    """Return torch's, the way torchaudio does it: STFT, power, product with the bank, dB.

    torchaudio itself has no release for this torch; its bank with Slaney's scale and areas is the
    same one. It takes whole clips.
    """
    torch = extras.load("torch")
    spare = (front_end.fft - front_end.window) // 2
    bank = torch.tensor(front_end.filter_bank, dtype=torch.float32)
    taper = torch.hann_window(front_end.window)

    @torch.inference_mode()
    def log_mel(blocks: Blocks) -> NDArray[np.float32]:
        (clip,) = blocks
        padded = torch.nn.functional.pad(torch.from_numpy(clip), (spare, spare))
        spectrum = torch.stft(
            padded,
            n_fft=front_end.fft,
            hop_length=front_end.hop,
            win_length=front_end.window,
            window=taper,
            center=False,
            return_complex=True,
        )
        mel = torch.matmul(spectrum.abs().pow(2).transpose(-1, -2), bank)
        return (10 * torch.log10(mel.clamp(min=front_end.floor_power))).numpy()

    return log_mel


def kaldi_log_mel(front_end: FrontEnd) -> LogMel:
    """Return kaldi-native-fbank's, a stream of any blocks; its natural logarithm made dB."""
    kaldi = extras.load("kaldi_native_fbank")
    options = kaldi.FbankOptions()
    frames, bank = options.frame_opts, options.mel_opts
    frames.samp_freq = front_end.rate_hz
    frames.frame_length_ms = 1e3 * front_end.window_s
    frames.frame_shift_ms = 1e3 * front_end.hop_s
    frames.window_type = "hann"
    frames.dither, frames.preemph_coeff, frames.remove_dc_offset = 0, 0, False
    bank.num_bins, bank.low_freq, bank.high_freq = (
        front_end.bands,
        front_end.low_hz,
        front_end.high_hz,
    )
    bank.is_librosa, bank.use_slaney_mel_scale, bank.norm = True, True, "slaney"
    options.eps = front_end.floor_power

    def log_mel(blocks: Blocks) -> NDArray[np.float32]:
        stream = kaldi.OnlineFbank(options)
        rows: list[NDArray[np.float32]] = []
        for block in blocks:
            stream.accept_waveform(front_end.rate_hz, block)
            rows += [stream.get_frame(i) for i in range(len(rows), stream.num_frames_ready)]
        return np.array(rows) * np.float32(10 / np.log(10))

    return log_mel


OURS = "kilohear"
LIBRARIES: dict[str, Callable[[FrontEnd], LogMel]] = {
    OURS: kilohear_numpy,
    "librosa": librosa_log_mel,
    "torch": torch_log_mel,
    "kaldi-native-fbank": kaldi_log_mel,
}
STREAMING = (OURS, "kaldi-native-fbank")
"""Those that take a clip block by block."""


def measure_log_mel(rounds: int, say: Say) -> Part:
    """Time all libraries that are installed, in turns, one thread: CPU time for 10 s of sound.

    Raises
    ------
    BackendError
        Where a library fails or gives other features, naming it.
    """
    taking = Taking({"threads": 1, "warm_up": WARM_UP, "sound_s": SOUND_S, **load_conditions()})
    clip = _noise()
    calls: dict[str, Callable[[], object]] = {}
    about: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for rate_hz in RATES_HZ:
        front_end = FrontEnd.preset("native", rate_hz)
        heard = decimate(clip, CLIP_HZ, rate_hz)
        libraries, missing = open_libraries(front_end)
        left_out |= missing
        require_same(libraries, heard)
        for library, log_mel in libraries.items():
            ways = {"whole": [heard]}
            if library in STREAMING:
                ways["blocks"] = _blocks(heard, rate_hz)
            for way, blocks in ways.items():
                name = subject_name(library, rate_hz, way)
                calls[name] = partial(log_mel, blocks)
                about[name] = {"library": library, "rate_hz": rate_hz, "way": way}
        if rate_hz < CLIP_HZ:
            name = subject_name(OURS, rate_hz, "decimated")
            calls[name] = _decimating(libraries[OURS], _blocks(clip, CLIP_HZ), rate_hz)
            about[name] = {"library": OURS, "rate_hz": rate_hz, "way": "decimated"}
    say(f"log-mel: {rounds} rounds of {len(calls)} ways")
    with one_thread():
        samples = time_in_turns(calls, rounds, WARM_UP, time.process_time_ns)
    for name, values in samples.items():
        library = about[name]["library"]
        used = {} if library == OURS else {library: version(library)}
        taking.add("cpu_time", name, values, "ms", "time.process_time_ns", used, **about[name])
    configuration = {"rounds": rounds, "preset": "native", "block_s": BLOCK_S}
    return taking.done("logmel", configuration, left_out)


def subject_name(library: str, rate_hz: int, way: str) -> str:
    """Return what a measurement of the log-mel is called."""
    ways = {
        "whole": "whole clip",
        "blocks": f"blocks of {BLOCK_S:g} s",
        "decimated": f"blocks of {BLOCK_S:g} s, decimated from 16 kHz",
    }
    return f"{library} {rate_hz // 1000} kHz, {ways[way]}"


def open_libraries(front_end: FrontEnd) -> tuple[dict[str, LogMel], dict[str, str]]:
    """Return the libraries that are installed, set to `front_end`, and why others are left out."""
    there, left_out = {}, {}
    for library, make in LIBRARIES.items():
        try:
            there[library] = make(front_end)
        except ExtraError as error:
            left_out[library] = str(error)
    return there, left_out


def require_same(libraries: dict[str, LogMel], clip: NDArray[np.float32]) -> None:
    """Compare each library's features of `clip` with kilohear's.

    Raises
    ------
    BackendError
        Naming a library that fails, gives another shape, or differs by over `TOLERANCE_DB`.
    """
    ours = libraries[OURS]([clip])
    for library, log_mel in libraries.items():
        try:
            theirs = log_mel([clip])
        except Exception as error:  # each library raises its own
            raise BackendError(
                f"{library} fails ({type(error).__name__}: {error}); install the release that the "
                "extra 'peers' names, or leave it out"
            ) from error
        if theirs.shape != ours.shape:
            raise BackendError(
                f"{library} gives features of shape {theirs.shape}, kilohear {ours.shape}; "
                "its settings aren't matched"
            )
        difference = float(np.abs(theirs - ours).max())
        if not difference <= TOLERANCE_DB:
            raise BackendError(
                f"{library} differs from kilohear by {difference:.3g} dB, allowed are "
                f"{TOLERANCE_DB:g}; its settings aren't matched"
            )


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold every pool of threads that is loaded by now to one."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    with extras.load("threadpoolctl").threadpool_limits(limits=1):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)


def _decimating(log_mel: LogMel, blocks: Blocks, rate_hz: int) -> Callable[[], object]:
    def call() -> NDArray[np.float32]:
        decimator = Decimator(CLIP_HZ, rate_hz)
        return log_mel([*(decimator.push(block.copy()) for block in blocks), decimator.flush()])

    return call


def _blocks(clip: NDArray[np.float32], rate_hz: int) -> list[NDArray[np.float32]]:
    return np.split(clip, round(len(clip) / (BLOCK_S * rate_hz)))


def _noise() -> NDArray[np.float32]:
    noise = np.random.default_rng(0).standard_normal(round(SOUND_S * CLIP_HZ))
    return (0.1 * noise).astype(np.float32)
