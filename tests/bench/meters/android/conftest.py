from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.bench.meters.android.fake_phone import FakePhone

from kilohear_bench.measurement import Measurement


@pytest.fixture
def make_phone(tmp_path: Path) -> Iterator[Callable[..., FakePhone]]:
    """Make the phone of a test; its battery discharges, but for what is given."""
    phones: list[FakePhone] = []

    def make(**battery: str) -> FakePhone:
        folder = tmp_path / f"phone{len(phones)}"
        folder.mkdir()
        phones.append(FakePhone(folder, **battery))
        return phones[-1]

    yield make
    for phone in phones:
        phone.end()


@pytest.fixture
def common() -> Measurement:
    """What a device gives for each of its measurements."""
    return Measurement(
        name="power",
        subject="esc10-1khz executorch float32",
        samples=(1.0,),
        unit="1",
        kind="measured",
        device="adb-x",
        meter="none",
        versions={"kilohear": "0"},
        started_at=None,
        conditions={"rate_hz": 1000},
    )
