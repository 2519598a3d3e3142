"""The student's C kernels give the bits of the Python reference, here and as Cortex-M4 code."""

from __future__ import annotations

import ctypes
import dataclasses
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.student_images import random_features, random_image

from kilohear.backends.integer import infer, quantise, softmax
from kilohear.bundle import Bundle, shipped
from kilohear.student_image import StudentImage

STAGES = Path(__file__).parents[3] / "bench" / "apollo3" / "stages"
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror")
ARM = (
    *("arm-none-eabi-gcc", "-O2", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard"),
    *("-mfpu=fpv4-sp-d16", "-ffreestanding", "-fno-tree-loop-distribute-patterns", "-nostdlib"),
    *("-Wl,-Ttext=0x10000", "-Wl,--no-warn-rwx-segments", "-Wl,-e,student_run"),
)
TRAPS = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
MEMORY = """
void *memset(void *to, int value, unsigned count)
{ char *at = to; while (count--) *at++ = (char)value; return to; }
void *memcpy(void *to, const void *from, unsigned count)
{ char *at = to; const char *of = from; while (count--) *at++ = *of++; return to; }
"""
GUARD = 64
"""Bytes on either side of what the kernels may write."""

few = settings(max_examples=40, derandomize=True)
shapes = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "frames": st.integers(1, 20),
        "bands": st.integers(1, 17),
        "stem": st.integers(1, 12),
        "stem_stride": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "blocks": st.lists(
            st.tuples(st.sampled_from([1, 3, 4, 7, 8, 16]), st.integers(1, 2)),
            min_size=1,
            max_size=4,
        ).map(tuple),
        "classes": st.integers(2, 9),
    }
)


class Student(Protocol):
    """The C stage, wherever it runs."""

    def check(self, data: bytes, room: int | None = None) -> int: ...

    def run(
        self, image: StudentImage, features: NDArray[np.int8], spare: int = 0
    ) -> tuple[int, list[int]]: ...


class Here:
    """The portable C on this machine."""

    def __init__(self, folder: Path, *flags: str) -> None:
        library = folder / "student.so"
        command = ["gcc", *STRICT, *flags, "-shared", "-fPIC", "-o", library, STAGES / "student.c"]
        subprocess.run(command, check=True)
        self.library = ctypes.CDLL(str(library))

    def check(self, data: bytes, room: int | None = None) -> int:
        words = np.frombuffer(data + bytes(-len(data) % 4), np.uint32).copy()
        return self.library.student_check(_at(words), len(data) if room is None else room)

    def run(
        self, image: StudentImage, features: NDArray[np.int8], spare: int = 0
    ) -> tuple[int, list[int]]:
        words = np.frombuffer(image.to_bytes(), np.uint32).copy()
        arena = np.full(image.arena_bytes + 2 * GUARD, 0xA5, np.uint8)
        logits = np.full(len(image.labels) + 2 * GUARD, 0x5A, np.int8)
        size = image.arena_bytes + spare
        done = self.library.student_run(
            _at(words), _at(features), _at(arena[GUARD:]), size, _at(logits[GUARD:])
        )
        for written, guard in ((arena, 0xA5), (logits, 0x5A)):
            assert (written[:GUARD] == guard).all()
            assert (written[-GUARD:] == guard).all()
        return done, logits[GUARD:-GUARD].tolist()


class OnArm:
    """The same source with its assembler kernels, run by Unicorn."""

    CODE, IMAGE, DATA, STACK_TOP = 0x10000, 0x100000, 0x10000000, 0x10060000

    def __init__(self, folder: Path, *flags: str) -> None:
        from elftools.elf.elffile import ELFFile
        from elftools.elf.sections import SymbolTableSection

        memory, program = folder / "memory.c", folder / "student.elf"
        memory.write_text(MEMORY)
        sources = [STAGES / "student.c", memory]
        subprocess.run([*ARM, *STRICT, *flags, "-o", program, *sources, "-lgcc"], check=True)
        with program.open("rb") as file:
            elf = ELFFile(file)
            table = elf.get_section_by_name(".symtab")
            assert isinstance(table, SymbolTableSection)
            self.symbols = {s.name: s["st_value"] for s in table.iter_symbols()}
            self.segments = [
                (segment["p_paddr"], segment.data())
                for segment in elf.iter_segments()
                if segment["p_type"] == "PT_LOAD"
            ]

    def check(self, data: bytes, room: int | None = None) -> int:
        machine = self._machine(data)
        return self._call(machine, "student_check", self.IMAGE, len(data) if room is None else room)

    def run(
        self, image: StudentImage, features: NDArray[np.int8], spare: int = 0
    ) -> tuple[int, list[int]]:
        machine = self._machine(image.to_bytes())
        arena, logits = self.DATA + 0x10000, self.DATA + 0x50000
        machine.mem_write(self.DATA, features.tobytes())
        machine.mem_write(arena - GUARD, bytes([0xA5]) * (image.arena_bytes + 2 * GUARD))
        size = image.arena_bytes + spare
        done = self._call(
            machine, "student_run", self.IMAGE, self.DATA, arena, size, logits
        )  # fmt: skip
        for guard in (arena - GUARD, arena + image.arena_bytes):
            assert bytes(machine.mem_read(guard, GUARD)) == bytes([0xA5]) * GUARD
        return done, np.frombuffer(machine.mem_read(logits, len(image.labels)), np.int8).tolist()

    def _machine(self, data: bytes):
        import unicorn
        from unicorn import arm_const
        from unicorn.unicorn import Uc

        machine = Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        machine.mem_map(self.CODE, 0x10000)
        machine.mem_map(self.IMAGE, 0x40000)
        machine.mem_map(self.DATA, 0x60000)
        for address, content in self.segments:
            machine.mem_write(address, content)
        machine.mem_write(self.IMAGE, data)
        machine.reg_write(arm_const.UC_ARM_REG_FPEXC, 0x40000000)
        return machine

    def _call(self, machine, name: str, *arguments: int) -> int:
        from unicorn import arm_const

        stack, back = self.STACK_TOP - 16, self.CODE + 0xFFF0
        saved = list(range(0x11, 0x19))
        for register, argument in zip(range(4), arguments, strict=False):
            machine.reg_write(arm_const.UC_ARM_REG_R0 + register, argument)
        for index, argument in enumerate(arguments[4:]):
            machine.mem_write(stack + 4 * index, struct.pack("<I", argument))
        for register, value in zip(range(4, 12), saved, strict=True):
            machine.reg_write(arm_const.UC_ARM_REG_R0 + register, value)
        machine.reg_write(arm_const.UC_ARM_REG_SP, stack)
        machine.reg_write(arm_const.UC_ARM_REG_LR, back | 1)
        machine.emu_start(self.symbols[name] | 1, back)
        assert machine.reg_read(arm_const.UC_ARM_REG_SP) == stack
        kept = [machine.reg_read(arm_const.UC_ARM_REG_R0 + r) for r in range(4, 12)]
        assert kept == saved
        result = machine.reg_read(arm_const.UC_ARM_REG_R0)
        return result - (1 << 32) if result >> 31 else result


def _at(array: NDArray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Here:
    if shutil.which("gcc") is None:
        pytest.skip("gcc isn't installed: the portable C can't be built")
    # A signed overflow or a misaligned word ends the test instead of passing by luck.
    return Here(tmp_path_factory.mktemp("here"), "-O2", *TRAPS)


@pytest.fixture(scope="module")
def on_arm(tmp_path_factory: pytest.TempPathFactory) -> OnArm:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc isn't installed: the board's code can't be built")
    for package in ("unicorn", "elftools"):
        pytest.importorskip(package, reason=f"{package} is missing: the board's code can't run")
    return OnArm(tmp_path_factory.mktemp("arm"))


@pytest.fixture(params=["here", "on_arm"])
def student(request: pytest.FixtureRequest) -> Student:
    return request.getfixturevalue(request.param)


def agrees(student: Student, image: StudentImage, features: NDArray[np.int8]) -> None:
    assert student.check(image.to_bytes()) == 0
    assert student.run(image, features) == (0, infer(image, features).tolist())


@few
@given(shapes)
def test_random_networks_give_the_same_logits_here(here: Here, shape: dict) -> None:
    image = random_image(**shape)
    agrees(here, image, random_features(image, 0))


@few
@given(shapes)
def test_random_networks_give_the_same_logits_on_arm(on_arm: OnArm, shape: dict) -> None:
    image = random_image(**shape)
    agrees(on_arm, image, random_features(image, 0))


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_students_give_the_same_logits(student: Student, name: str) -> None:
    image = StudentImage.load(Bundle.load(name).path / "student.h")
    silence = np.full((image.frames, image.bands), -128, np.int8)
    for features in (silence, random_features(image, 1), random_features(image, 2)):
        agrees(student, image, features)


def test_the_longest_sums_do_not_overflow(student: Student) -> None:
    image = random_image(0, frames=6, bands=5, stem=16, blocks=((16, 1), (16, 1)))
    extreme = [
        dataclasses.replace(
            layer,
            weights=np.full_like(layer.weights, 127 * (-1) ** index),
            multiplier=np.full_like(layer.multiplier, 0x7FFFFFFF),
        )
        for index, layer in enumerate(image.layers)
    ]
    image = dataclasses.replace(image, layers=tuple(extreme))
    for value in (-128, 127):
        agrees(student, image, np.full((6, 5), value, np.int8))


def test_an_arena_that_is_too_small_is_refused(student: Student) -> None:
    image = random_image(0)
    assert student.run(image, random_features(image, 0), spare=-1)[0] == -6


def test_an_image_is_checked_against_its_room(student: Student) -> None:
    data = random_image(0).to_bytes()
    assert student.check(data, len(data)) == 0
    assert student.check(data, len(data) - 4) == -2
    assert student.check(data, 64) == -1
    assert student.check(b"\xff" * 256) == -1


def test_a_changed_byte_fails_the_crc(student: Student) -> None:
    data = bytearray(random_image(0).to_bytes())
    for at in (12, len(data) // 2, len(data) - 1):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        assert student.check(bytes(damaged)) == -3


@settings(max_examples=400, derandomize=True)
@given(seed=st.integers(0, 2**32), words=st.integers(1, 5), near=st.sampled_from([32, 160, 2_000]))
def test_signed_nonsense_is_refused_or_stays_inside(
    here: Here, seed: int, words: int, near: int
) -> None:
    """Damage that no CRC finds: what passes must also be an image to Python, or at least run."""
    random = np.random.default_rng(seed)
    data = bytearray(random_image(1).to_bytes())
    for _ in range(words):
        at = int(random.integers(3, min(near, len(data) // 4)))
        value = random.choice([0, 1, 0xFFFFFFFF, 1 << 16, int(random.integers(0, 1 << 32))])
        struct.pack_into("<I", data, 4 * at, int(value))
    struct.pack_into("<I", data, 8, zlib.crc32(data[12:]))
    if here.check(bytes(data)) != 0:
        return
    frames, bands = (struct.unpack_from("<I", data, 4 * word)[0] for word in (7, 6))
    features = np.zeros(((frames & 0xFFFF), bands >> 16), np.int8)
    needed = struct.unpack_from("<I", data, 80)[0]
    image = np.frombuffer(bytes(data), np.uint32).copy()
    arena, logits = np.zeros(needed + GUARD, np.uint8), np.zeros(frames >> 16, np.int8)
    arena[needed:] = 0xA5
    run = here.library.student_run
    assert run(_at(image), _at(features), _at(arena), needed, _at(logits)) == 0
    assert (arena[needed:] == 0xA5).all()


@few
@given(seed=st.integers(0, 2**32 - 1), level=st.floats(-200, 200, width=32))
def test_features_are_quantised_as_in_python(here: Here, seed: int, level: float) -> None:
    image = random_image(seed, frames=1, bands=40)
    db = np.random.default_rng(seed).normal(level, 30, (1, 40)).astype(np.float32)
    given_ = np.zeros(40, np.int8)
    words = np.frombuffer(image.to_bytes(), np.uint32).copy()
    here.library.student_quantise(_at(words), _at(db), _at(given_))
    assert given_.tolist() == quantise(image, db)[0].tolist()


@few
@given(st.lists(st.integers(-128, 127), min_size=3, max_size=3))
def test_probabilities_are_those_of_python(here: Here, logits: list[int]) -> None:
    image = random_image(0)
    words = np.frombuffer(image.to_bytes(), np.uint32).copy()
    q, given_ = np.array(logits, np.int8), np.zeros(3, np.float32)
    here.library.student_softmax(_at(words), _at(q), _at(given_))
    np.testing.assert_allclose(given_, softmax(image, q), rtol=2e-6, atol=1e-37)


def header_words(image: StudentImage) -> Callable[[int], int]:
    data = image.to_bytes()
    return lambda word: struct.unpack_from("<I", data, 4 * word)[0]


def test_the_header_s_words_stand_where_the_contract_has_them() -> None:
    image = random_image(5)
    word = header_words(image)
    assert word(0) == 0x3153484B
    assert (word(3), word(4)) == (image.rate_hz, image.samples)
    assert word(5) == image.window | image.hop << 16
    assert word(6) == image.fft | image.bands << 16
    assert word(7) == image.frames | len(image.labels) << 16
    assert (word(18), word(19), word(20)) == (128, len(image.layers), image.arena_bytes)
    names = (STAGES / "image.h").read_text()
    assert "IMAGE_WORD_LOGIT_ZERO = 22" in names
