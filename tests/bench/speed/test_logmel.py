"""Log-mel: all libraries are set to the same quantity, and one that isn't is named."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

from kilohear.errors import BackendError
from kilohear.frontend import FrontEnd
from kilohear_bench.speed.logmel import (
    LIBRARIES,
    OURS,
    RATES_HZ,
    STREAMING,
    LogMel,
    kilohear_numpy,
    one_thread,
    open_libraries,
    require_same,
)

PACKAGES = {"torch": "torch", "librosa": "librosa", "kaldi-native-fbank": "kaldi_native_fbank"}
PEERS = [library for library in LIBRARIES if library != OURS]


def noise(rate_hz: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(3).standard_normal(2 * rate_hz)).astype(np.float32)


def made(library: str, front_end: FrontEnd) -> LogMel:
    if library in PACKAGES:
        pytest.importorskip(PACKAGES[library])
    return LIBRARIES[library](front_end)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("library", PEERS)
def test_a_peer_gives_kilohears_features(library: str, rate_hz: int) -> None:
    front_end = FrontEnd.preset("native", rate_hz)
    libraries = {OURS: kilohear_numpy(front_end), library: made(library, front_end)}
    require_same(libraries, noise(rate_hz))


@pytest.mark.parametrize("library", PEERS)
def test_other_settings_are_found_out_and_named(library: str) -> None:
    front_end = FrontEnd.preset("native", 1_000)
    other = dataclasses.replace(front_end, low_hz=front_end.low_hz + 5)
    libraries = {OURS: kilohear_numpy(front_end), library: made(library, other)}
    with pytest.raises(BackendError, match=f"{library} differs from kilohear by"):
        require_same(libraries, noise(1_000))
    libraries[library] = made(library, dataclasses.replace(front_end, bands=40))
    with pytest.raises(BackendError, match=f"{library} gives features of shape"):
        require_same(libraries, noise(1_000))


def test_a_library_that_fails_is_named() -> None:
    def fail(_: object) -> np.ndarray:
        raise RuntimeError("no kernel")

    libraries = {OURS: kilohear_numpy(FrontEnd.preset("native", 1_000)), "torch": fail}
    with pytest.raises(BackendError, match=r"torch fails \(RuntimeError: no kernel\)"):
        require_same(libraries, noise(1_000))


@pytest.mark.parametrize("library", STREAMING)
def test_blocks_give_what_the_whole_clip_gives(library: str) -> None:
    log_mel, clip = made(library, FrontEnd.preset("native", 2_000)), noise(2_000)
    np.testing.assert_array_equal(log_mel(np.split(clip, 20)), log_mel([clip]))


def test_a_library_that_isnt_installed_is_left_out_with_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "kaldi_native_fbank", None)
    there, left_out = open_libraries(FrontEnd.preset("native", 1_000))
    assert "kaldi-native-fbank" not in there
    assert OURS in there
    assert "'kilohear[peers]'" in left_out["kaldi-native-fbank"]


def test_torch_gets_its_threads_back() -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
