"""The run: the command measures a part and writes it; what can't be measured is refused first."""

from __future__ import annotations

from pathlib import Path

import pytest

from kilohear.cli import main
from kilohear.errors import ConfigError
from kilohear_bench.speed.part import load_parts
from kilohear_bench.speed.run import SpeedConfig


def test_the_command_measures_a_part_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "speed"
    arguments = ["bench-speed", "--part", "logmel", "--rounds", "30", "--out", str(out)]
    assert main(arguments) == 0
    assert sorted(file.name for file in out.iterdir()) == ["logmel.json", "report.md", "speed.png"]
    (part,) = load_parts(out).values()
    assert all(m.kind == "measured" and len(m.samples) == 30 for m in part.measurements)
    assert str(tmp_path) not in (out / "logmel.json").read_text()
    assert "log-mel in blocks of 0.1 s at 1 kHz" in capsys.readouterr().out


def test_wrong_configurations_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'moon'.*logmel"):
        SpeedConfig(parts=("moon",))
    with pytest.raises(ConfigError, match="windows is 3"):
        SpeedConfig(rounds=3)
    with pytest.raises(ConfigError, match=r"listen_s is 0.5"):
        SpeedConfig(listen_s=0.5)
