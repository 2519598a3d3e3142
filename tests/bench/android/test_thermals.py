"""The gate: it opens only to a phone that is cool and doesn't throttle."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilohear.errors import KilohearError
from kilohear_bench.android.phone import Shell
from kilohear_bench.android.thermals import MOST_S, Thermals


@dataclasses.dataclass
class Hot:
    """A phone whose heat follows a script: (celsius or None, thermal status), the last stays."""

    script: list[tuple[float | None, int]]
    at: int = 0
    now_s: float = 0.0
    serial: str = "hot"

    def shell(self, command: str, timeout_s: float = 30.0) -> Shell:
        celsius, status = self.script[min(self.at, len(self.script) - 1)]
        if command == "dumpsys battery":
            return Shell("" if celsius is None else f"  temperature: {celsius * 10:.0f}\n", "", 0)
        return Shell(f"IsStatusOverride: false\nThermal Status: {status}\n", "", 0)

    def push(self, data: bytes, remote: str) -> None: ...

    def pull(self, remote: str) -> bytes:
        return b""

    def sleep(self, seconds: float) -> None:
        self.at += 1
        self.now_s += seconds


def gate(phone: Hot, said: list[str]) -> Thermals:
    return Thermals(phone, "adb", 38.0, said.append, lambda: phone.now_s, phone.sleep)


heat = st.tuples(st.none() | st.floats(20, 60).map(lambda c: round(c, 1)), st.integers(0, 6))


@given(script=st.lists(heat, min_size=1, max_size=50))
def test_it_opens_at_the_first_look_that_is_cool(script: list[tuple[float | None, int]]) -> None:
    cool = [(celsius is None or celsius <= 38.0) and not status for celsius, status in script]
    phone, said = Hot(script), []
    if any(cool):
        gate(phone, said).wait()
        assert phone.at == cool.index(True)
        assert bool(said) == (phone.at > 0)
    else:
        with pytest.raises(KilohearError, match="--max-celsius"):
            gate(phone, said).wait()
        assert phone.now_s >= MOST_S


def test_a_phone_that_says_nothing_of_its_heat_passes() -> None:
    phone = Hot([(None, 0)])
    assert gate(phone, []).celsius() is None
    gate(phone, []).wait()
