"""A download survives a server that drops the line, and takes nothing that wasn't published."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kilohear.errors import DataError
from kilohear_training.data import download
from kilohear_training.data.catalogue import load_dataset
from kilohear_training.data.download import ATTEMPTS, fetch, get, unpack


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by path and drops the line after `most` bytes of each answer."""

    files: dict[str, bytes]
    most: int | None = None
    does_ranges = True
    asked: list[str | None]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server  # type: ignore[assignment]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0
        if asked and self.server.does_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.most])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.files, running.asked = {}, []
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def address(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def no_wait(_seconds: float) -> None:
    """Don't wait."""


CONTENT = bytes(range(256)) * 40
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


def test_a_dropped_line_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.files["/a.zip"] = CONTENT
    server.most = 3_000
    path = fetch(address(server, "/a.zip"), tmp_path / "a.zip", MD5, no_wait)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=3000-", "bytes=6000-", "bytes=9000-"]
    assert not list(tmp_path.glob("*.part"))


def test_what_arrived_before_is_kept_for_the_next_run(server: Server, tmp_path: Path) -> None:
    server.files["/a.zip"] = CONTENT
    server.most = 100
    with pytest.raises(DataError, match=rf"broke off {ATTEMPTS} times.*800 bytes are kept"):
        fetch(address(server, "/a.zip"), tmp_path / "a.zip", MD5, no_wait)
    assert not (tmp_path / "a.zip").exists()
    server.most, server.asked = None, []
    assert fetch(address(server, "/a.zip"), tmp_path / "a.zip", MD5, no_wait).exists()
    assert server.asked == ["bytes=800-"]


def test_a_server_without_parts_sends_all_again(server: Server, tmp_path: Path) -> None:
    server.files["/a.zip"], server.does_ranges = CONTENT, False
    (tmp_path / "a.zip.part").write_bytes(CONTENT[:500])
    path = fetch(address(server, "/a.zip"), tmp_path / "a.zip", MD5, no_wait)
    assert path.read_bytes() == CONTENT


def test_a_whole_part_only_needs_its_checksum(server: Server, tmp_path: Path) -> None:
    server.files["/a.zip"] = CONTENT
    (tmp_path / "a.zip.part").write_bytes(CONTENT)
    assert fetch(address(server, "/a.zip"), tmp_path / "a.zip", MD5, no_wait).exists()


def test_another_checksum_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    server.files["/a.zip"] = CONTENT[:-1]
    with pytest.raises(DataError, match="md5 of what arrived is"):
        fetch(address(server, "/a.zip"), tmp_path / "a.zip", MD5, no_wait)
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_said_at_once(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the server says 404"):
        fetch(address(server, "/b.zip"), tmp_path / "b.zip", None, no_wait)
    assert len(server.asked) == 1


def zipped(files: dict[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_zip_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(zipped({"../outside.txt": "x"}))
    with pytest.raises(DataError, match="leads elsewhere"):
        unpack(tmp_path / "bad.zip", tmp_path / "in", None)
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(DataError, match="not a whole zip"):
        unpack(tmp_path / "text.zip", tmp_path / "in", None)


KITCHEN = "category,path,usr_id\n" + "".join(
    f"class{label},audio/0-{source}-{take}-{label}.wav,{source}\n"
    for label in range(2)
    for source in range(label * 10, label * 10 + 6)
    for take in "AB"
)


def test_kitchen20_arrives_with_folds_that_share_no_recording(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    names = [line.split(",")[1] for line in KITCHEN.splitlines()[1:]]
    files: dict[str, bytes | str] = {f"kitchen20-master/{name}": b"wav" for name in names}
    server.files["/k.zip"] = zipped({**files, "kitchen20-master/kitchen20.csv": KITCHEN})
    monkeypatch.setattr(download, "KITCHEN20_URL", address(server, "/k.zip"))
    folder = get("kitchen20", tmp_path, no_line)
    assert folder == tmp_path / "kitchen20"
    dataset = load_dataset("kitchen20")
    assert len(dataset.clips) == 24
    assert dataset.folds == (1, 2, 3, 4, 5)
    for fold in dataset.folds:
        dataset.split(fold)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kitchen20"]
    with pytest.raises(DataError, match="there already"):
        get("kitchen20", tmp_path, no_line)


def test_tau_arrives_by_the_records_own_list_and_checksums(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    top = "TAU-urban-acoustic-scenes-2019-mobile-development"
    rows = {
        part: [f"audio/tram-lyon-{n}-0-a.wav" for n in numbers]
        for part, numbers in {"train": range(8), "evaluate": range(8, 10)}.items()
    }
    meta = {
        f"{top}/evaluation_setup/fold1_{part}.csv": "filename\tscene_label\n"
        + "".join(f"{name}\ttram\n" for name in names)
        for part, names in rows.items()
    }
    audio = {f"{top}/{name}": b"wav" for names in rows.values() for name in names}
    parts = {f"{top}.audio.1.zip": zipped(dict(audio)), f"{top}.meta.zip": zipped(dict(meta))}
    record = {
        "files": [
            {
                "key": name,
                "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                "links": {"self": address(server, f"/{name}")},
            }
            for name, content in parts.items()
        ]
    }
    server.files = {f"/{name}": content for name, content in parts.items()}
    server.files["/record"] = json.dumps(record).encode()
    monkeypatch.setattr(download, "TAU_RECORD", address(server, "/record"))
    get("tau2019-mobile", tmp_path, no_line)
    assert len(load_dataset("tau2019-mobile").clips) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tau2019-mobile"]


def test_esc50_arrives_in_its_official_layout(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILOHEAR_DATA", str(tmp_path))
    table = "filename,fold,target,category,esc10,src_file,take\n1-1-A-0.wav,1,0,dog,True,1,A\n"
    files = {"ESC-50-master/meta/esc50.csv": table, "ESC-50-master/audio/1-1-A-0.wav": b"wav"}
    server.files["/e.zip"] = zipped(dict(files))
    monkeypatch.setattr(download, "ESC50_URL", address(server, "/e.zip"))
    get("esc50", tmp_path, no_line)
    assert load_dataset("esc50").labels == ("dog",)


def test_a_layout_that_changed_leaves_nothing_half_made(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/e.zip"] = zipped({"ESC-50-master/README.md": "moved"})
    monkeypatch.setattr(download, "ESC50_URL", address(server, "/e.zip"))
    with pytest.raises(DataError, match=r"holds no esc50\.csv"):
        get("esc50", tmp_path, no_line)
    assert [path.name for path in tmp_path.iterdir()] == ["esc50.zip"]
    with pytest.raises(DataError, match="can't be downloaded; use one of esc50"):
        get("moon", tmp_path, no_line)


def no_line(_line: str) -> None:
    """Say nothing."""
