"""The corpus: sorted, whole, or refused."""

from __future__ import annotations

import pytest

from kilohear.errors import DataError
from kilohear_bench.privacy.speech import RATE_HZ, Utterance, choose, fingerprint, read_utterances


def test_utterances_come_sorted_with_what_is_said(corpus: list[Utterance]) -> None:
    assert [clip.name for clip in corpus] == ["7-1-0000", "7-1-0001", "8-2-0000"]
    assert corpus[0].transcript == "HE COULD WAIT NO LONGER"
    assert corpus[0].read().shape == (RATE_HZ,)


def test_a_missing_recording_is_named(corpus: list[Utterance]) -> None:
    corpus[1].path.unlink()
    with pytest.raises(DataError, match=r"7-1-0001\.flac"):
        read_utterances(corpus[1].path.parents[2])


def test_a_folder_without_transcripts_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="LibriSpeech"):
        read_utterances(tmp_path)


def test_a_name_that_stands_twice_is_refused(corpus: list[Utterance]) -> None:
    table = corpus[0].path.parent / "7-1.trans.txt"
    table.write_text(table.read_text() * 2)
    with pytest.raises(DataError, match="twice"):
        read_utterances(corpus[0].path.parents[2])


def test_another_rate_is_refused(corpus: list[Utterance]) -> None:
    import soundfile

    soundfile.write(corpus[0].path, corpus[0].read(), 8_000)
    with pytest.raises(DataError, match="8,000 Hz"):
        corpus[0].read()


def test_a_choice_is_spread_over_the_corpus(corpus: list[Utterance]) -> None:
    assert choose(corpus, 2) == [corpus[0], corpus[1]]
    assert choose(corpus, None) == choose(corpus, 9) == corpus
    spread = choose(corpus * 10, 3)
    assert spread == [(corpus * 10)[i] for i in (0, 10, 20)]


def test_the_fingerprint_sees_words_and_sound(corpus: list[Utterance]) -> None:
    before = fingerprint(corpus)
    assert fingerprint(corpus[:2]) != before
    corpus[0].path.write_bytes(corpus[1].path.read_bytes())
    assert fingerprint(corpus) != before
