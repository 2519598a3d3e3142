"""The demo: real recordings where there are any, else a scene that says it is synthetic."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from kilohear.bundle import Bundle
from kilohear.capture import open_source
from kilohear.errors import BundleError
from kilohear_bench import demo


def test_local_recordings_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labelled_csv: Path
) -> None:
    audio = tmp_path / "esc50" / "audio"
    audio.mkdir(parents=True)
    clip = demo.CLIPS[0]
    (audio / clip.filename).write_bytes((labelled_csv.parent / "0.wav").read_bytes())
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    recordings, said = demo.find_recordings(download=True)
    assert [(label, source.name) for label, source in recordings] == [(clip.label, clip.filename)]
    assert said.startswith("1 real recordings from KILOHEAR_DATA")


@pytest.mark.parametrize("download", [True, False])
def test_without_recordings_a_scene_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, download: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("no network in a test")

    pooch = SimpleNamespace(
        get_logger=lambda: SimpleNamespace(setLevel=lambda level: None),
        HTTPDownloader=lambda timeout: None,
        os_cache=Path,
        retrieve=fail,
    )
    monkeypatch.setattr(demo.extras, "load", lambda name: pooch)
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    recordings, said = demo.find_recordings(download)
    assert [label for label, _ in recordings] == ["synthetic"]
    assert "synthetic scene" in said
    assert ("ConnectionError" in said) == download


def test_events_stand_beside_the_true_label(bundle_path: Path, labelled_csv: Path) -> None:
    classifier = Bundle.load(bundle_path).open("onnx")
    sources = [("loud", open_source(labelled_csv.parent / "1.wav"))]
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(demo.events_table([classifier], sources))
    text = console.export_text()
    assert "at 1,000 Hz" in text
    assert "loud 1.00 0-1 s" in text


def test_the_whole_demo(
    bundle_factory: Callable[..., Path],
    labelled_csv: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = bundle_factory("esc10-tiny")
    monkeypatch.setattr(demo, "shipped", lambda: {"esc10-tiny": path})
    monkeypatch.setattr("kilohear.bundle.shipped", lambda: {"esc10-tiny": path})
    monkeypatch.setenv("KILOHEAR_DATA", str(labelled_csv.parent))
    here = labelled_csv.parent / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    demo.run_demo(download=False)
    shown, told = capsys.readouterr()
    assert not told
    assert not list(here.iterdir())
    assert "steps" not in shown
    for part in ("synthetic", "at 1,000 Hz", "tiny-test, 1,000 Hz", "Latency in ms (measured)"):
        assert part in shown


def test_without_a_shipped_student_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "shipped", dict)
    with pytest.raises(BundleError, match="install a complete kilohear"):
        demo.run_demo()
