"""The terminal's tables: every device and number, kinds said, no line too long."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console
from tests.bench.report.made import make_run

from kilohear_bench.report.terminal import terminal_tables


def test_every_device_has_its_tables_within_80_columns(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", fails=True)
    console = Console(width=80, file=io.StringIO(), record=True)
    for table in terminal_tables(tmp_path / "run"):
        console.print(table)
    shown = console.export_text()
    assert "…" not in shown
    for device in run.devices:
        assert f"{device.name}: time and size" in shown
    for said in ("measured", "simulated", "modelled", "FAILED", "esc10-16khz executorch int8"):
        assert said in shown
    latency = run.find("latency", "esc10-2khz apollo3 int8")
    assert latency is not None
    assert f"{latency.median:.1f}" in shown
