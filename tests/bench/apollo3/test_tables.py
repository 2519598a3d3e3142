"""The tables are what their script writes."""

from __future__ import annotations

import numpy as np
import pytest

from apollo3 import tables


@pytest.mark.parametrize("name", sorted(tables.HEADERS))
def test_tables_are_made_again(name: str) -> None:
    assert (tables.STAGES / name).read_text() == tables.HEADERS[name]()


def test_the_logarithm_is_close() -> None:
    mantissas = np.linspace(1, 2, 4_001, dtype=np.float32)
    assert np.abs(tables.log_error_db(mantissas)).max() < 1e-3
