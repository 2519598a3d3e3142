"""Write the tables of the board's DSP stages: twiddles, taps, coefficients of the logarithm.

    python bench/apollo3/tables.py

A test makes them again and compares, so that no table is edited by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kilohear.polyphase import PASS_EDGE
from kilohear_bench.apollo3.decimator import HALF_TAPS

STAGES = Path(__file__).parent / "stages"

DECIMATOR_TAPS = 136
FFT_MOST = 512
_SPANS = (4, 8, 16, 32, 64)
"""Of the passes that have twiddles: a power of two times 4 each, so that offsets are regular."""


_LOG_DEGREE = 4


def turns(exponents: NDArray[np.integer], points: int) -> NDArray[np.complex128]:
    """Return exp(-2 pi i exponents / points)."""
    return np.exp(-2j * np.pi * exponents / points)


def pass_turns() -> NDArray[np.complex128]:
    """Return w, w^2, w^3 of each butterfly, pass after pass: a pass begins at span - 4."""
    rows = [turns(np.outer(np.arange(span), (1, 2, 3)), 4 * span) for span in _SPANS]
    return np.concatenate(rows)


def decimator_half() -> NDArray[np.int32]:
    """Return the second half of the decimator's symmetric taps, 65536 = 1, (taps / 2,).

    Equal ripple (Parks and McClellan) instead of Kaiser's window: 136 taps do what take that some
    220. Rounding each tap for itself would lift the stop band to -74 dB. So they are rounded one
    after the other, each taking up what the ones before left in the stop band (Babai's nearest
    plane); the error goes to the pass band, where it is harmless.
    """
    from scipy.signal import remez  # no part of what the bench needs to run

    half = DECIMATOR_TAPS // 2
    edges = (0.0, PASS_EDGE / 2, 0.5, 1.0)  # over Nyquist
    exact = remez(DECIMATOR_TAPS, edges, (1, 0), weight=(1, 130), fs=2, grid_density=32)[half:]
    times = np.arange(half) + 0.5
    stop, passed = np.linspace(0.5, 1, 1_200), np.linspace(0, edges[1], 1_080)
    rows = [
        2 * np.cos(np.pi * np.outer(stop, times)),
        0.04 * np.cos(np.pi * np.outer(passed, times)),
    ]
    _, triangle = np.linalg.qr(np.concatenate(rows))
    wanted = exact * 65_536
    taps = wanted.copy()
    for i in range(half - 1, -1, -1):
        carried = triangle[i, i + 1 :] @ (taps - wanted)[i + 1 :]
        taps[i] = np.round(wanted[i] - carried / triangle[i, i])
    return taps.astype(np.int32)


def decimator_tables() -> str:
    """Return decimator_tables.h."""
    taps = np.concatenate([HALF_TAPS[::-1], HALF_TAPS])
    return _header(
        "decimator",
        "A symmetric low-pass for half the rate, 65536 = 1, (136,).",
        _array("int16_t decimator_taps[DECIMATOR_TAPS]", map(str, taps), 12, "_Alignas(4) "),
    )


def fft_tables() -> str:
    """Return fft_tables.h."""
    digits = np.arange(64)
    reverse = digits % 4 * 16 + digits // 4 % 4 * 4 + digits // 16
    rows = pass_turns().ravel()
    half = 0.5 * turns(np.arange(FFT_MOST // 4), FFT_MOST)
    return _header(
        "fft",
        "Base-4 digits of 0..63 in reverse order, (64,).",
        _array("uint8_t fft_reversed[]", map(str, reverse), 16),
        "exp(-2 pi i j k / (4 span)), j = 1..3, k = 0..span - 1, for spans 4 to 64; a span's\n"
        " * begin at 3 (span - 4).",
        _array("complex_f32 fft_twiddles_f32[]", map(_complex_f32, rows), 3),
        "0.5 exp(-2 pi i k / 512), (128,).",
        _array("complex_f32 fft_half_turns_f32[]", map(_complex_f32, half), 3),
        "The same twiddles as pairs of q15, real part in the low half.",
        _array("uint32_t fft_twiddles_q15[]", map(_pair_q15, rows), 6),
        "-sin(2 pi k / 512) in the low half, cos in the high one, q15, (128,).",
        _array("uint32_t fft_turns_q15[]", (_pair_q15(1j * v.conjugate() * 2) for v in half), 6),
    )


def log_coefficients() -> NDArray[np.float32]:
    """Return c of 10 log10(m) = c[0] + c[1] m + ... for m from 1 to 2, (5,), float32.

    Interpolated at Chebyshev's nodes: within a few per cent of the least largest error.
    """
    series = np.polynomial.Chebyshev.interpolate(lambda m: 10 * np.log10(m), _LOG_DEGREE, (1, 2))
    return series.convert(kind=np.polynomial.Polynomial).coef.astype(np.float32)


def log_error_db(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return what the board's logarithm adds to that of mantissas (n,) from 1 to 2."""
    exact = 10 * np.log10(values.astype(np.float64))
    return np.polynomial.Polynomial(log_coefficients())(values.astype(np.float64)) - exact


def logmel_tables() -> str:
    """Return logmel_tables.h."""
    coefficients = log_coefficients().astype(np.float64)
    per_octave = 10 * np.log10(2.0)
    coefficients[0] -= 127 * per_octave  # the exponent comes with its bias
    error = np.abs(log_error_db(np.linspace(1, 2, 10_001, dtype=np.float32))).max()
    names = [f"LOGMEL_LOG_{i} {_f32(c)}" for i, c in enumerate(coefficients)]
    names += [f"LOGMEL_LOG_PER_OCTAVE {_f32(per_octave)}", f"LOGMEL_LOG_ERROR_DB {error:.1e}f"]
    return _header(
        "logmel",
        "10 log10(m) for m from 1 to 2, less 127 octaves, as a polynomial; decibels per octave;\n"
        " * the largest error before rounding.",
        "\n".join(f"#define {name}" for name in names),
    )


def _complex_f32(value: complex) -> str:
    return f"{{{_f32(value.real)}, {_f32(value.imag)}}}"


def _pair_q15(value: complex) -> str:
    low, high = (min(round(part * 32_768), 32_767) & 0xFFFF for part in (value.real, value.imag))
    return f"0x{high << 16 | low:08X}u"


def _f32(value: float) -> str:
    value = float(np.float32(round(value, 12))) + 0.0  # no -0.0, no 6e-17
    return f"{value:.9g}f" if "." in f"{value:.9g}" or "e" in f"{value:.9g}" else f"{value:.1f}f"


def _array(declaration: str, values: Iterable[str], per_line: int, alignment: str = "") -> str:
    items = list(values)
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return f"static {alignment}const {declaration} = {{\n    " + ",\n    ".join(lines) + ",\n};"


def _header(name: str, *parts: str) -> str:
    """Return a header of comments and definitions in turn."""
    guard = f"KILOHEAR_{name.upper()}_TABLES_H"
    body = "\n\n".join(
        f"/* {comment} */\n{text}" for comment, text in zip(parts[::2], parts[1::2], strict=True)
    )
    return (
        f"/* Written by tables.py; don't edit. */\n#ifndef {guard}\n#define {guard}\n\n"
        f"{body}\n\n#endif\n"
    )


HEADERS: dict[str, Callable[[], str]] = {
    "decimator_tables.h": decimator_tables,
    "fft_tables.h": fft_tables,
    "logmel_tables.h": logmel_tables,
}
"""Each file beside the stages and what makes its text."""


def main() -> None:
    """Write every table beside the stage that includes it."""
    for name, make in HEADERS.items():
        (STAGES / name).write_text(make())


if __name__ == "__main__":
    main()
