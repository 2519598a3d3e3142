"""The run: it goes on after a kill, to the same bytes, and never under another configuration."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.bench.privacy.fake import FakeRecogniser

from kilohear.errors import ConfigError, DataError, KilohearError
from kilohear_bench import journal
from kilohear_bench.privacy.run import (
    LINES,
    PrivacyConfig,
    claim,
    conditions,
    configure,
    read_lines,
    run_privacy,
)
from kilohear_bench.privacy.speech import Utterance

WANTED = ((16_000, "decimator"), (1_000, "decimator"), (1_000, "band-extension"))


def quiet(_: str) -> None:
    pass


@pytest.fixture
def config(corpus: list[Utterance]) -> PrivacyConfig:
    return configure(WANTED, corpus, FakeRecogniser())


@pytest.fixture
def whole(config: PrivacyConfig, corpus: list[Utterance], tmp_path: Path) -> bytes:
    """The lines of a run that nothing stopped."""
    run_privacy(config, corpus, FakeRecogniser(), tmp_path / "whole", quiet)
    return (tmp_path / "whole" / LINES).read_bytes()


def test_every_clip_goes_through_every_condition(
    config: PrivacyConfig, corpus: list[Utterance], tmp_path: Path
) -> None:
    _, lines = run_privacy(config, corpus, FakeRecogniser(), tmp_path / "run", quiet)
    assert [(line.clip, line.rate_hz, line.treatment) for line in lines] == [
        (clip.name, *condition) for clip in corpus for condition in WANTED
    ]
    assert lines == read_lines(tmp_path / "run" / LINES)


def test_no_sound_is_written(whole: bytes, tmp_path: Path) -> None:
    assert {path.name for path in (tmp_path / "whole").iterdir()} == {LINES, "configuration.json"}
    assert len(whole) < 5_000


@pytest.mark.parametrize("breaks", [0, 1, 4, 8])
@pytest.mark.parametrize("torn", [0, 7])
def test_a_stopped_run_goes_on_to_the_same_bytes(
    breaks: int,
    torn: int,
    config: PrivacyConfig,
    corpus: list[Utterance],
    whole: bytes,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run_privacy(config, corpus, FakeRecogniser(breaks), folder, quiet)
    with (folder / LINES).open("ab") as file:
        file.write(b'{"clip": "\xc3'[:torn])
    again, said = FakeRecogniser(), []
    later = dataclasses.replace(config, started_at="later")
    kept, _ = run_privacy(later, corpus, again, folder, said.append)
    assert (folder / LINES).read_bytes() == whole
    assert again.calls == len(corpus) * len(WANTED) - breaks
    assert kept.started_at == config.started_at
    assert (f"going on after {breaks} of 9" in said) == (breaks > 0)


def test_a_process_that_is_killed_goes_on(
    config: PrivacyConfig, corpus: list[Utterance], whole: bytes, tmp_path: Path
) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no SIGKILL")
    folder = tmp_path / "killed"
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from tests.bench.privacy.fake import FakeRecogniser\n"
        "from kilohear_bench.privacy.run import configure, run_privacy\n"
        "from kilohear_bench.privacy.speech import read_utterances\n"
        "class Slow(FakeRecogniser):\n"
        "    def transcribe(self, samples, rate_hz):\n"
        "        time.sleep(0.2); return super().transcribe(samples, rate_hz)\n"
        f"wanted = {WANTED!r}\n"
        "corpus, slow = read_utterances(Path(sys.argv[2])), Slow()\n"
        "run_privacy(configure(wanted, corpus, slow), corpus, slow, Path(sys.argv[3]))\n"
    )
    root = corpus[0].path.parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parents[3]), str(root), str(folder)],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not (folder / LINES).is_file() or (folder / LINES).stat().st_size == 0:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 0 < len(read_lines(folder / LINES)) < 9
    run_privacy(config, corpus, FakeRecogniser(), folder, quiet)
    assert (folder / LINES).read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"recogniser_version": "2"}, "recogniser_version '1', now '2'"),
        ({"conditions": WANTED[:1]}, "conditions 16000 Hz decimator; 1000 Hz decimator; 1000 Hz"),
        ({"speech_sha256": "0"}, "speech_sha256"),
        ({"normaliser": "another"}, "normaliser"),
    ],
)
def test_another_configuration_is_refused_naming_the_difference(
    change: dict,
    named: str,
    config: PrivacyConfig,
    corpus: list[Utterance],
    whole: bytes,
    tmp_path: Path,
) -> None:
    other = dataclasses.replace(config, **change)
    with pytest.raises(ConfigError, match=named):
        run_privacy(other, corpus, FakeRecogniser(), tmp_path / "whole", quiet)
    assert (tmp_path / "whole" / LINES).read_bytes() == whole


def test_a_folder_that_holds_something_else_is_refused(
    config: PrivacyConfig, corpus: list[Utterance], tmp_path: Path
) -> None:
    with pytest.raises(KilohearError, match="something else"):
        run_privacy(config, corpus, FakeRecogniser(), tmp_path, quiet)


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"clip": "a"}\n', b"[]\n"])
def test_damaged_lines_are_refused(
    line: bytes, config: PrivacyConfig, corpus: list[Utterance], whole: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "whole" / LINES
    path.write_bytes(line + whole)
    with pytest.raises(DataError):
        run_privacy(config, corpus, FakeRecogniser(), tmp_path / "whole", quiet)
    assert path.read_bytes() == line + whole


def test_lines_out_of_order_or_too_many_are_refused(
    config: PrivacyConfig, corpus: list[Utterance], whole: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "whole" / LINES
    lines = whole.splitlines(keepends=True)
    for content in (b"".join(reversed(lines)), whole + lines[0]):
        path.write_bytes(content)
        with pytest.raises(DataError):
            run_privacy(config, corpus, FakeRecogniser(), tmp_path / "whole", quiet)


def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(
    config: PrivacyConfig,
    corpus: list[Utterance],
    whole: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = tmp_path / "run"
    claim(folder, config)
    with monkeypatch.context() as patched:
        patched.setattr(journal.os, "fsync", full)
        with pytest.raises(KilohearError, match="No space left"):
            run_privacy(config, corpus, FakeRecogniser(), folder, quiet)
    run_privacy(config, corpus, FakeRecogniser(), folder, quiet)
    assert (folder / LINES).read_bytes() == whole


def test_what_is_measured_unless_named() -> None:
    everything = conditions((), ())
    assert len(everything) == 9
    assert (16_000, "decimator") in everything
    assert (16_000, "soxr") not in everything
    assert conditions((4_000,), ("soxr",)) == ((4_000, "soxr"),)


@pytest.mark.parametrize(
    "wanted",
    [
        (),
        ((0, "decimator"),),
        ((48_000, "soxr"),),
        ((1_000, "phone"),),
        ((3_000, "band-extension"),),
    ],
)
def test_nonsense_is_refused(wanted: tuple, corpus: list[Utterance]) -> None:
    with pytest.raises(ConfigError):
        configure(wanted, corpus, FakeRecogniser())
