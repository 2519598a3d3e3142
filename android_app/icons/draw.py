"""Draw the apps' icons and the picture shown while one starts: `python draw.py`; needs Pillow.

A slow wave and the few samples that are taken of it.
"""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw

HERE = Path(__file__).resolve().parent
IOS = HERE.parents[1] / "ios_app"
GROUND, WAVE, SAMPLE = (14, 20, 18, 255), (95, 211, 174, 255), (237, 242, 239, 255)
FINER = 4
"""Drawn so much larger and scaled down: smooth edges."""

SAMPLES = 7


def wave(size: int, width: float) -> Image.Image:
    """Return the wave on nothing, `width` of the picture wide."""
    whole = size * FINER
    image = Image.new("RGBA", (whole, whole), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    left, span, height = whole * (1 - width) / 2, whole * width, whole * width * 0.3
    pen = whole * width * 0.055

    def dot(place: float, radius: float, colour: tuple[int, ...]) -> None:
        envelope = math.sin(math.pi * place) ** 0.6
        x = left + place * span
        y = whole / 2 - height * envelope * math.sin(2 * math.pi * 1.5 * place)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    for i in range(2_001):
        dot(i / 2_000, pen / 2, WAVE)
    for i in range(SAMPLES):
        dot((i + 0.5) / SAMPLES, pen * 1.15, SAMPLE)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def on_ground(picture: Image.Image, corner: float) -> Image.Image:
    """Return the picture on a square whose corners are rounded by `corner` of its side."""
    size = picture.width
    mask = Image.new("L", (size * FINER, size * FINER), 0)
    side = size * FINER - 1
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, side, side), corner * side, fill=255)
    ground = Image.new("RGBA", (size, size), GROUND)
    ground.alpha_composite(picture)
    ground.putalpha(mask.resize((size, size), Image.Resampling.LANCZOS))
    return ground


def filling(picture: Image.Image) -> Image.Image:
    """Return the picture on a whole square without transparency."""
    ground = Image.new("RGBA", picture.size, GROUND)
    ground.alpha_composite(picture)
    return ground.convert("RGB")


def main() -> None:
    """Write the pictures beside this file, and the one of iOS."""
    on_ground(wave(512, 0.72), 0.22).save(HERE / "icon.png")
    # Android cuts an adaptive icon to any shape: what matters lies in the inner 61 %.
    wave(432, 0.5).save(HERE / "foreground.png")
    Image.new("RGB", (432, 432), GROUND[:3]).save(HERE / "background.png")
    filling(wave(768, 0.5)).save(HERE / "presplash.png")
    # iOS rounds the corners itself.
    filling(wave(1024, 0.72)).save(IOS / "icon.png")


if __name__ == "__main__":
    main()
