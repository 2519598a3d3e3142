"""Tables in Markdown, and the name of a new run's folder."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from pathlib import Path


def default_folder(kind: str = "bench") -> Path:
    """Return a new run's folder, named by the time in UTC."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{kind}-{stamp}"


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], texts: int) -> list[str]:
    """Return a table's lines; the first `texts` columns stand left, numbers right."""
    sides = ["---"] * texts + ["---:"] * (len(columns) - texts)
    return [_line(columns), _line(sides), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
