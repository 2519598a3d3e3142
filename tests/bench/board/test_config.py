"""What a board is asked for: refused in words before anything is measured."""

from __future__ import annotations

import pytest

from kilohear.errors import ConfigError, RateError
from kilohear_bench.apollo3.rates import RATES
from kilohear_bench.board.config import bundles_by_rate, require_possible
from kilohear_bench.config import BenchConfig


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"devices": ("apollo3",), "dataset": "esc10"}, "esc10"),
        ({"devices": ("apollo3:/dev/a", "apollo3:/dev/b"), "dataset": "esc10"}, "esc10"),
        ({"devices": ("apollo3-simulator",), "meter": "ppk2"}, "ppk2"),
        ({"devices": ("host", "apollo3-simulator"), "meter": "ppk2"}, "ppk2"),
    ],
)
def test_what_no_device_of_a_run_can_do_is_refused(settings: dict, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        require_possible(BenchConfig(**settings))


def test_what_another_device_can_do_is_left_to_it() -> None:
    require_possible(BenchConfig(devices=("apollo3", "host"), dataset="esc10"))
    require_possible(BenchConfig(devices=("apollo3-simulator", "apollo3"), meter="ppk2"))


def test_an_unknown_rate_is_refused_naming_those_there_are() -> None:
    with pytest.raises(RateError, match=r"3,000 Hz.*16,000, 8,000"):
        bundles_by_rate(BenchConfig(rates_hz=(3_000,)))


def test_without_rates_it_is_those_of_the_bundles_or_all() -> None:
    assert bundles_by_rate(BenchConfig()) == dict.fromkeys(RATES)
    named = bundles_by_rate(BenchConfig(bundles=("esc10-1khz", "esc10-8khz-fold1")))
    assert list(named) == [8_000, 1_000]
    assert [bundle.card.name for bundle in named.values() if bundle] == [
        "esc10-8khz-fold1", "esc10-1khz",
    ]  # fmt: skip


def test_bundles_that_cannot_all_be_flashed_are_refused() -> None:
    config = BenchConfig(bundles=("esc10-1khz", "esc10-1khz-fold1"))
    with pytest.raises(ConfigError, match=r"esc10-1khz-fold1 .* another bundle has that rate"):
        bundles_by_rate(config)
    config = BenchConfig(rates_hz=(1_000,), bundles=("esc10-2khz",))
    with pytest.raises(ConfigError, match="no such rate"):
        bundles_by_rate(config)
