"""Student images of which only the front end's part is there."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from kilohear.frontend import FrontEnd

HEADER_BYTES = 128


def front_end_image(front_end: FrontEnd) -> bytes:
    """Return a student image with header words 0 to 12 and what they point to."""
    bands, weights = [], []
    for column in front_end.filter_bank.T:
        used = np.flatnonzero(column)
        first, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        bands.append((first, end - first))
        weights.append(column[first:end])
    taper = front_end.taper.astype("<f4").tobytes()
    table = np.array(bands, "<u2").tobytes()
    bank = np.concatenate(weights).astype("<f4").tobytes()
    offsets = [HEADER_BYTES, HEADER_BYTES + len(taper), HEADER_BYTES + len(taper) + len(table)]
    words = struct.pack(
        "<8If4I",
        *(0x3153484B, offsets[2] + len(bank), 0, front_end.rate_hz, front_end.rate_hz),
        front_end.window | front_end.hop << 16,
        front_end.fft | len(bands) << 16,
        1 | 1 << 16,
        front_end.floor_power,
        *(0, *offsets),
    )
    image = bytearray(words.ljust(HEADER_BYTES, b"\0") + taper + table + bank)
    image[8:12] = zlib.crc32(image[12:]).to_bytes(4, "little")
    return bytes(image)
