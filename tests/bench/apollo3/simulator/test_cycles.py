"""Costs of instructions, against Arm's manual."""

from __future__ import annotations

import pytest

from kilohear.errors import ConfigError
from kilohear_bench.apollo3.cycles import FRACTION, CostModel

pytest.importorskip("capstone")

IDEAL = CostModel(cache_hit_rate=1.0)


@pytest.mark.parametrize(
    ("code", "instructions", "cycles"),
    [
        ("00bf", 1, 1),  # nop
        ("0868", 1, 2),  # ldr r0, [r1]
        ("08684a688b68", 3, 4),  # three loads from r1: pipelined
        ("0860", 1, 1),  # str r0, [r1]
        ("8850", 1, 2),  # str r0, [r1, r2]
        ("f0b5", 1, 6),  # push {r4-r7, lr}
        ("0fc9", 1, 5),  # ldm r1!, {r0-r3}
        ("4843", 1, 1),  # muls r0, r1, r0
        ("90fbf1f0", 1, 6),  # sdiv r0, r0, r1
        ("20fb0112", 1, 1),  # smlad r2, r0, r1, r1
        ("d1e90023", 1, 3),  # ldrd r2, r3, [r1]
        ("30ee200a", 1, 1),  # vadd.f32 s0, s0, s1
        ("80ee200a", 1, 14),  # vdiv.f32 s0, s0, s1
        ("a0ee200a", 1, 3),  # vfma.f32 s0, s0, s1
        ("30ee200a21ee000a", 2, 3),  # vadd then vmul of its result: one cycle more
        ("30ee200a22ee221a", 2, 2),  # vadd then vmul of others
        ("90ed000a", 1, 2),  # vldr s0, [r0]
        ("2ded048b", 1, 5),  # vpush {d8, d9}: four words
        ("fee7", 1, 1),  # b: its jump is counted where it lands
        ("08bf0120", 2, 2),  # it eq; moveq r0, #1
    ],
)
def test_costs(code: str, instructions: int, cycles: float) -> None:
    cost = IDEAL.decoder().block(bytes.fromhex(code), 0x1000)
    assert (cost.instructions, cost.units) == (instructions, cycles * FRACTION)


def test_jumps_cost_a_refill_more_where_a_wide_instruction_is_unaligned() -> None:
    decoder, wide = IDEAL.decoder(), bytes.fromhex("20fb0112")
    assert decoder.block(wide, 0x1000).jump_units == 2 * FRACTION
    assert decoder.block(wide, 0x1002).jump_units == 3 * FRACTION
    assert decoder.block(bytes.fromhex("00bf"), 0x1002).jump_units == 2 * FRACTION


def test_misses_cost_by_line_and_only_in_flash() -> None:
    decoder = CostModel(cache_hit_rate=0.5, flash_wait=8).decoder()
    code = bytes.fromhex("00bf") * 16  # two lines of 16 bytes
    inside, outside = decoder.block(code, 0x1000), decoder.block(code, 0x1000_0000, False)
    assert inside.units - outside.units == 4 * FRACTION
    assert inside.jump_units - outside.jump_units == 4 * FRACTION


def test_unknown_code_costs_a_cycle_each() -> None:
    cost = IDEAL.decoder().block(bytes.fromhex("ffffffff00bf"), 0x1000)
    assert (cost.instructions, cost.units) == (2, 2 * FRACTION)


@pytest.mark.parametrize(
    "wrong", [{"cache_hit_rate": 1.1}, {"refill": -1}, {"divide": 13}, {"flash_wait": -0.1}]
)
def test_nonsense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        CostModel(**wrong)
