"""Pictures of every screen of the app: two looks, three sizes, the demo scene at 1 kHz.

    python bench/benchmarks/app_pictures.py --out bench/results/app/screens

What is listened to are made-up sounds: no picture holds anything of a recording. A sheet of the
phone's screens in both looks is made of them for the README.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from PIL import Image

from kilohear.errors import KilohearError
from kilohear.files import replacing

SIZES = {"small": "320x640", "phone": "390x844", "tablet": "1280x800"}
LOOKS = ("light", "dark")
_GAP, _GROUND = 16, (128, 134, 130)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Draw every screen of the app.")
    parser.add_argument("--for-s", type=float, default=48.0, help="of listening before each tour")
    parser.add_argument("--language", default="en")
    parser.add_argument("--out", type=Path, default=Path("runs/app/pictures"))
    given = parser.parse_args()

    def draw(size: str, look: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            shots = _tour(Path(folder), SIZES[size], look, given.language, given.for_s)
            for shot in shots:
                name = f"{size}-{look}-{shot.stem.partition('-')[2]}.png"
                _save(Image.open(shot).convert("RGB"), given.out / name)

    with ThreadPoolExecutor(2) as pool:  # a tour mostly waits
        list(pool.map(draw, *zip(*product(SIZES, LOOKS), strict=True)))
    _save(_sheet(given.out), given.out / "phone.png")


def _tour(folder: Path, size: str, look: str, language: str, for_s: float) -> list[Path]:
    command = [sys.executable, "-m", "kilohear.cli", "app", "--source", "demo-synthetic"]
    command += ["--bundle", "esc10-1khz", "--size", size, "--look", look, "--language", language]
    command += ["--folder", str(folder / "kept"), "--for-s", str(for_s)]
    command += ["--screenshots", str(folder / "shots")]
    done = subprocess.run(
        command,
        env={**os.environ, "SDL_VIDEODRIVER": "offscreen"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise KilohearError(f"the tour at {size}, {look} failed: {done.stderr[-500:]}")
    return sorted((folder / "shots").glob("*.png"))


def _save(picture: Image.Image, path: Path) -> None:
    with replacing(path) as temporary:
        picture.save(temporary, "PNG", optimize=True)
    print(path)


def _sheet(folder: Path) -> Image.Image:
    """Return the phone's screens side by side, a row a look."""
    order = ("listen", "history", "privacy", "profile", "settings")
    rows = [
        [Image.open(folder / f"phone-{look}-{name}.png").convert("RGB") for name in order]
        for look in LOOKS
    ]
    width, height = rows[0][0].size
    sheet = Image.new(
        "RGB",
        (_GAP + len(order) * (width + _GAP), _GAP + len(rows) * (height + _GAP)),
        _GROUND,
    )
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            sheet.paste(picture, (_GAP + j * (width + _GAP), _GAP + i * (height + _GAP)))
    return sheet


if __name__ == "__main__":
    main()
