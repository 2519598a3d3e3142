"""Configuration: what isn't exactly right is refused, by key and value."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.config import from_dict, load_json, save_json, to_dict
from kilohear.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Inner:
    width: int
    kind: Literal["a", "b"] = "a"


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner
    rate_hz: float
    sizes: tuple[int, ...] = ()
    pair: tuple[int, str] = (0, "")
    limit: int | None = None
    is_on: bool = False
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


WHOLE: dict[str, Any] = {
    "inner": {"width": 3, "kind": "b"},
    "rate_hz": 1.5,
    "sizes": [1, 2],
    "pair": [1, "x"],
    "limit": 4,
    "is_on": True,
    "extra": {"any": ["thing"]},
}


@given(
    width=st.integers(),
    rate_hz=st.floats(allow_nan=False, allow_infinity=False),
    sizes=st.lists(st.integers()),
    limit=st.none() | st.integers(),
)
def test_what_is_written_is_read_back(
    width: int, rate_hz: float, sizes: list[int], limit: int | None
) -> None:
    config = Outer(Inner(width), rate_hz, tuple(sizes), limit=limit)
    assert from_dict(Outer, json.loads(json.dumps(to_dict(config)))) == config


def test_a_file_is_read_back(tmp_path: Path) -> None:
    config = from_dict(Outer, WHOLE)
    save_json(config, tmp_path / "config.json")
    assert load_json(Outer, tmp_path / "config.json") == config


def test_a_whole_number_serves_as_float() -> None:
    assert isinstance(from_dict(Outer, WHOLE | {"rate_hz": 2}).rate_hz, float)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"rate": 1}, "unknown key 'rate'.*rate_hz"),
        ({"inner": {"width": 1, "height": 2}}, "inner: unknown key 'height'"),
        ({"inner": {}}, "'width' is missing"),
        ({"inner": 3}, "inner: expected an object.*3"),
        ({"inner": {"width": "3"}}, "width is '3'; expected int"),
        ({"inner": {"width": True}}, "width is True"),
        ({"inner": {"width": 1, "kind": "c"}}, "kind is 'c'; use one of 'a', 'b'"),
        ({"rate_hz": "fast"}, "rate_hz is 'fast'; expected float"),
        ({"sizes": 3}, "sizes is 3; expected a list"),
        ({"sizes": [1, "2"]}, r"sizes\[1\] is '2'"),
        ({"pair": [1]}, "pair has 1 items; expected 2"),
        ({"limit": 1.5}, "limit is 1.5"),
        ({"is_on": 1}, "is_on is 1; expected bool"),
        ({"extra": []}, "extra is"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(ConfigError, match=names):
        from_dict(Outer, WHOLE | changes)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match="'rate_hz' is missing"):
        from_dict(Outer, {"inner": {"width": 1}})


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with pytest.raises(ConfigError, match="no such file"):
        load_json(Outer, path)
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"config.json: not valid JSON"):
        load_json(Outer, path)
