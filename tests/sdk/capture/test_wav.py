"""Recordings: every format that is whole is heard, everything else is refused with its reason."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import kilohear
from kilohear.capture import Source
from kilohear.errors import AudioError, ConfigError

Recordings = Callable[..., Path]


def _tone(rate_hz: int, seconds: float = 0.5) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 200 * np.arange(round(seconds * rate_hz)) / rate_hz)


def _heard(path: Path, block_s: float = 0.1) -> np.ndarray:
    return np.concatenate(list(kilohear.open_source(path, block_s).blocks()))


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 15_625, 22_050, 44_100])
@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_U8", 2**-7),
        ("a.wav", "PCM_16", 2**-15),
        ("a.wav", "PCM_24", 2**-23),
        ("a.wav", "PCM_32", 2**-23),
        ("a.wav", "FLOAT", 2**-23),
        ("a.wav", "DOUBLE", 2**-23),
        ("a.flac", "PCM_16", 2**-15),
        ("a.flac", "PCM_24", 2**-23),
        ("a.rf64", "PCM_16", 2**-15),
    ],
)
def test_every_format_is_heard(
    recording_factory: Recordings, rate_hz: int, name: str, subtype: str, tolerance: float
) -> None:
    tone = _tone(rate_hz)
    path = recording_factory(tone, rate_hz, name, subtype)
    source = kilohear.open_source(path)
    assert (source.rate_hz, source.requested_hz, source.lost_samples) == (rate_hz, rate_hz, 0)
    assert source.name == name
    np.testing.assert_allclose(_heard(path), tone, atol=tolerance)


def test_channels_are_averaged(recording_factory: Recordings) -> None:
    stereo = np.stack([_tone(11_025), np.zeros(5_512)], axis=1)
    path = recording_factory(stereo, 11_025, subtype="FLOAT")
    np.testing.assert_allclose(_heard(path), stereo.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("block_s", [0.001, 0.1, 10.0])
def test_blocks_make_up_the_clip(recording_factory: Recordings, block_s: float) -> None:
    path = recording_factory(_tone(8_000))
    np.testing.assert_array_equal(_heard(path, block_s), _heard(path))
    largest = max(len(block) for block in kilohear.open_source(path, block_s).blocks())
    assert largest <= max(1, np.ceil(block_s * 8_000))


def test_a_recording_is_a_source_that_can_be_heard_twice(recording_factory: Recordings) -> None:
    source = kilohear.open_source(recording_factory(_tone(8_000)))
    assert isinstance(source, Source)
    first, second = ([block.copy() for block in source.blocks()] for _ in range(2))
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(second))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone.wav: no such file"):
        kilohear.open_source(tmp_path / "gone.wav")
    with pytest.raises(AudioError, match="not a file"):
        kilohear.open_source(tmp_path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioError, match="empty, 0 bytes"):
        kilohear.open_source(tmp_path / "empty.wav")


@pytest.mark.parametrize("name", ["notes.wav", "notes.flac", "notes.raw", "notes"])
def test_text_is_refused_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("this is no sound\n" * 20)
    with pytest.raises(AudioError, match="not audio"):
        kilohear.open_source(tmp_path / name)


@pytest.mark.parametrize("name", ["none.wav", "none.flac"])
def test_no_samples_are_refused(recording_factory: Recordings, name: str) -> None:
    with pytest.raises(AudioError, match=r"0 samples|0 bytes"):
        kilohear.open_source(recording_factory(np.zeros(0), name=name))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("kept", [0.2, 0.9, 0.999])
def test_a_truncated_wav_is_refused(
    recording_factory: Recordings, subtype: str, kept: float
) -> None:
    path = recording_factory(_tone(8_000), subtype=subtype)
    _cut(path, kept)
    with pytest.raises(AudioError, match=r"truncated, \d+ of the \d+ bytes"):
        kilohear.open_source(path)


@pytest.mark.parametrize("bytes_kept", [1, 4, 12, 20, 43])
def test_a_wav_cut_in_its_header_is_refused(recording_factory: Recordings, bytes_kept: int) -> None:
    path = recording_factory(_tone(8_000))
    path.write_bytes(path.read_bytes()[:bytes_kept])
    with pytest.raises(AudioError, match=r"clip\.wav: "):
        kilohear.open_source(path)


@pytest.mark.parametrize("size", [0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_streamed_wav_of_unknown_length_is_heard(
    recording_factory: Recordings, size: int
) -> None:
    path = recording_factory(_tone(8_000), subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(data)
    assert len(_heard(path)) == 4_000


def test_chunks_before_and_after_the_sound_do_not_matter(recording_factory: Recordings) -> None:
    path = recording_factory(_tone(8_000), subtype="PCM_16")
    data = path.read_bytes()
    at = data.index(b"data")
    note = b"LIST" + struct.pack("<I", 5) + b"hello\0"  # an odd size is padded
    path.write_bytes(data[:at] + note + data[at:] + note)
    assert len(_heard(path)) == 4_000


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_a_truncated_flac_is_refused(recording_factory: Recordings, kept: float) -> None:
    noise = 0.3 * np.random.default_rng(0).standard_normal(40_000)
    path = recording_factory(noise, name="clip.flac")
    _cut(path, kept)
    with pytest.raises(AudioError, match="truncated"):
        kilohear.open_source(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused_naming_the_first(
    recording_factory: Recordings, value: float
) -> None:
    tone = _tone(8_000)
    tone[[2_000, 3_000]] = value
    with pytest.raises(AudioError, match=f"sample 2000 at 0.250 s is {value}"):
        kilohear.open_source(recording_factory(tone, subtype="FLOAT"))


def test_a_block_of_no_length_is_refused(recording_factory: Recordings) -> None:
    with pytest.raises(ConfigError, match="block_s is 0"):
        kilohear.open_source(recording_factory(_tone(8_000)), block_s=0.0)


@pytest.mark.data
def test_real_recordings_are_heard(data_dir: Path) -> None:
    paths = sorted((data_dir / "esc50" / "audio").iterdir())[:5]
    assert paths
    for path in paths:
        source = kilohear.open_source(path)
        heard_s = sum(len(block) for block in source.blocks()) / source.rate_hz
        assert heard_s == pytest.approx(5.0, abs=0.1)


def _cut(path: Path, kept: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
