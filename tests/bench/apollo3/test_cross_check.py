"""Two simulators that know nothing of each other count the same instructions."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.bench.apollo3.images import front_end_image

import kilohear
from apollo3.checks import cross_check
from kilohear.frontend import FrontEnd
from kilohear.student_image import words_of_header

BUNDLES = Path(kilohear.__file__).parent / "bundles"
WITHIN = 1e-3


def test_unicorn_counts_as_qemu_does(tmp_path: Path) -> None:
    if reason := cross_check.missing():
        pytest.skip(reason)
    images = {
        f"{preset}_{rate_hz}": front_end_image(FrontEnd.preset(preset, rate_hz))
        for preset, rate_hz in (("cropped", 1_000), ("native", 1_000), ("native", 16_000))
    }
    students = {
        f"shipped_{file.parent.name.replace('-', '_')}": words_of_header(file.read_text())
        for file in sorted(BUNDLES.glob("*/student.h"))
    }
    elf = cross_check.build(images, students, tmp_path)
    in_unicorn, in_qemu = cross_check.count_in_unicorn(elf), cross_check.count_in_qemu(elf)
    assert len(in_unicorn) == 1 + 2 * 5 + 2 * len(images) + len(students)
    assert in_unicorn == pytest.approx(in_qemu, rel=WITHIN)
