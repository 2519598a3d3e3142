"""Checkpoints load strictly, by their published keys, or say which key is wrong."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from kilohear.errors import ConfigError, DataError
from kilohear.frontend import FrontEnd
from kilohear_training import checkpoints
from kilohear_training.checkpoints import PUBLISHED, Published, fetch, load_initial
from kilohear_training.networks import build
from kilohear_training.networks.tiny import Tiny

PAPER = FrontEnd.preset("paper", 1_000)
Shapes = dict[str, tuple[int, ...]]


def norm(name: str, channels: int) -> Shapes:
    kinds = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{kind}": (channels,) for kind in kinds} | {f"{name}.num_batches_tracked": ()}


def conv_block(name: str, before: int, channels: int) -> Shapes:
    return {
        f"{name}.conv1.weight": (channels, before, 3, 3),
        f"{name}.conv2.weight": (channels, channels, 3, 3),
        **norm(f"{name}.bn1", channels),
        **norm(f"{name}.bn2", channels),
    }


def ends(front_bins: int, window: int, channels: int, hidden: int) -> Shapes:
    return {
        "spectrogram_extractor.stft.conv_real.weight": (front_bins, 1, window),
        "spectrogram_extractor.stft.conv_imag.weight": (front_bins, 1, window),
        "logmel_extractor.melW": (front_bins, 64),
        **norm("bn0", 64),
        "fc1.weight": (hidden, channels),
        "fc1.bias": (hidden,),
        "fc_audioset.weight": (527, hidden),
        "fc_audioset.bias": (527,),
    }


def cnn14() -> Shapes:
    """The keys of Cnn14_16k_mAP=0.438.pth."""
    shapes = ends(257, 512, 2048, 2048)
    before = 1
    for number, channels in enumerate((64, 128, 256, 512, 1024, 2048), start=1):
        shapes |= conv_block(f"conv_block{number}", before, channels)
        before = channels
    return shapes


def resnet38() -> Shapes:
    """The keys of ResNet38_mAP=0.434.pth."""
    shapes = ends(513, 1024, 2048, 2048)
    shapes |= conv_block("conv_block1", 1, 64) | conv_block("conv_block_after1", 512, 2048)
    before = 64
    for layer, (channels, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
        for block in range(blocks):
            name = f"resnet.layer{layer}.{block}"
            shapes |= conv_block(name, before, channels)
            if before != channels:
                shapes[f"{name}.downsample.1.weight"] = (channels, before, 1, 1)
                shapes |= norm(f"{name}.downsample.2", channels)
            before = channels
    return shapes


def mobilenet_v2() -> Shapes:
    """The keys of MobileNetV2_mAP=0.383.pth."""
    shapes = ends(513, 1024, 1280, 1024)
    shapes |= {"features.0.0.weight": (32, 1, 3, 3), **norm("features.0.2", 32)}
    before, place = 32, 1
    for expansion, channels, blocks in (
        (1, 16, 1),
        (6, 24, 2),
        (6, 32, 3),
        (6, 64, 4),
        (6, 96, 3),
        (6, 160, 3),
        (6, 320, 1),
    ):
        for _ in range(blocks):
            name, hidden, at = f"features.{place}.conv", before * expansion, 0
            if expansion > 1:
                shapes |= {f"{name}.0.weight": (hidden, before, 1, 1), **norm(f"{name}.1", hidden)}
                at = 3
            shapes |= {f"{name}.{at}.weight": (hidden, 1, 3, 3), **norm(f"{name}.{at + 2}", hidden)}
            shapes[f"{name}.{at + 4}.weight"] = (channels, hidden, 1, 1)
            shapes |= norm(f"{name}.{at + 5}", channels)
            before, place = channels, place + 1
    shapes |= {f"features.{place}.0.weight": (1280, 320, 1, 1)}
    return shapes | norm(f"features.{place}.1", 1280)


LAYOUTS = {"cnn14": cnn14, "resnet38": resnet38, "mobilenet_v2": mobilenet_v2}


def write_checkpoint(shapes: Shapes, path: Path) -> dict[str, torch.Tensor]:
    state = {
        key: torch.tensor(7) if shape == () else torch.full(shape, 0.01)
        for key, shape in shapes.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"iteration": 1, "model": state}, path)
    return state


@pytest.mark.parametrize("name", LAYOUTS)
def test_published_keys_load_strictly(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    unchecked = dataclasses.replace(PUBLISHED[name], checksum=None)
    monkeypatch.setitem(checkpoints.PUBLISHED, name, unchecked)  # type: ignore[arg-type]
    state = write_checkpoint(LAYOUTS[name](), tmp_path / PUBLISHED[name].file)
    network = build(name, 10, PAPER)
    dropped = load_initial(network, name, "audioset")
    assert dropped == (
        "fc_audioset.bias",
        "fc_audioset.weight",
        "logmel_extractor.melW",
        "spectrogram_extractor.stft.conv_imag.weight",
        "spectrogram_extractor.stft.conv_real.weight",
    )
    for key, value in network.state_dict().items():
        if not key.startswith("fc_audioset"):
            assert torch.equal(value, state[key]), key


def test_another_networks_checkpoint_is_refused_by_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    write_checkpoint(mobilenet_v2(), path)
    network = build("resnet38", 10, PAPER)
    with pytest.raises(
        ConfigError, match=r"not a checkpoint of this resnet38: \S+ is .*other keys differ"
    ):
        load_initial(network, "resnet38", str(path))


def test_a_checkpoint_of_other_bands_is_refused_with_both_shapes(tmp_path: Path) -> None:
    torch.save(Tiny(3, 48).state_dict(), tmp_path / "tiny.pt")
    with pytest.raises(ConfigError, match=r"norm.weight is \(48,\), the network's is \(64,\)"):
        load_initial(Tiny(3, 64), "tiny", str(tmp_path / "tiny.pt"))


@pytest.mark.parametrize(("classes", "taken"), [(3, True), (5, False)])
def test_a_files_last_layer_is_taken_where_classes_agree(
    classes: int, taken: bool, tmp_path: Path
) -> None:
    source = Tiny(3, 48)
    torch.save(source.state_dict(), tmp_path / "tiny.pt")
    network = Tiny(classes, 48)
    dropped = load_initial(network, "tiny", str(tmp_path / "tiny.pt"))
    assert (dropped == ()) is taken
    for key, value in source.state_dict().items():
        if taken or not key.startswith("head."):
            assert torch.equal(network.state_dict()[key], value), key


def test_bad_files_are_refused(tmp_path: Path) -> None:
    network = Tiny(3, 48)
    with pytest.raises(DataError, match="no such checkpoint"):
        load_initial(network, "tiny", str(tmp_path / "missing.pt"))
    (tmp_path / "text.pt").write_text("not a checkpoint")
    with pytest.raises(DataError, match="can't be read as a checkpoint"):
        load_initial(network, "tiny", str(tmp_path / "text.pt"))
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(DataError, match="holds no state dict"):
        load_initial(network, "tiny", str(tmp_path / "list.pt"))
    torch.save(network.state_dict(), tmp_path / "tiny.pt")
    with pytest.raises(DataError, match="the configuration names 0000"):
        load_initial(network, "tiny", str(tmp_path / "tiny.pt"), "0" * 64)
    with pytest.raises(ConfigError, match="no AudioSet weights are published for 'tiny'"):
        load_initial(network, "tiny", "audioset")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    served = tmp_path / "served"
    served.mkdir()
    (served / "weights.pth").write_bytes(b"weights")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http_server.server_port}/weights.pth"
        http_server.shutdown()


def test_a_missing_file_is_downloaded_and_verified(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path / "data"))
    md5 = hashlib.md5(b"weights").hexdigest()
    path = fetch(Published("panns/weights.pth", server, f"md5:{md5}"))
    assert path == tmp_path / "data" / "panns" / "weights.pth"
    assert path.read_bytes() == b"weights"
    wrong = Published("panns/other.pth", server, "md5:" + "0" * 32)
    with pytest.raises(DataError, match="download failed"):
        fetch(wrong)
    assert not (tmp_path / "data" / "panns" / "other.pth").exists()


def test_a_file_of_another_checksum_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    for published in PUBLISHED.values():
        if published.checksum is not None:
            path = tmp_path / published.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"other")
            with pytest.raises(DataError, match="remove the file so that it is downloaded again"):
                fetch(published)


@pytest.mark.data
def test_mn04_loads_all_but_its_last_layer(data_dir: Path) -> None:
    network = build("mobilenet_v3", 10, FrontEnd.preset("mn04", 16_000))
    assert load_initial(network, "mobilenet_v3", "audioset") == (
        "classifier.5.bias",
        "classifier.5.weight",
    )
