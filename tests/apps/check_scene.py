"""Verify that the screens of a tour showed what the demo scene played: every sound, and no other.

python tests/apps/check_scene.py seen.jsonl FOR_S, where `kilohear app --source demo-synthetic
--screenshots DIR --for-s FOR_S` wrote seen.jsonl.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kilohear import Bundle
from kilohear_ui.scene import DemoScene
from kilohear_ui.texts import Texts

LATE_S = 8.0
"""A window, a hop, and the time that it takes to begin."""


def main(seen: Path, for_s: float) -> None:
    """Print what was played and shown; exit with 1 where they differ."""
    shown = {each["screen"]: each for each in map(json.loads, seen.read_text().splitlines())}
    texts = Texts("en")
    known = {texts.label(label) for label in Bundle.load("esc10-1khz").card.labels}
    parts = DemoScene(synthetic=True).parts
    begun = [texts.label(part.label) for part in parts if part.start_s < for_s]
    due = {texts.label(part.label) for part in parts if part.start_s + LATE_S < for_s}
    heard = known.intersection(*(shown["listen"]["seen"],))
    logged = known.intersection(shown["history"]["texts"])
    print(f"played: {', '.join(begun)}")
    print(f"shown by Listen: {', '.join(sorted(heard))}; by History: {', '.join(sorted(logged))}")
    for each in shown.values():
        print(f"{each['png']}: {each['size'][0]}x{each['size'][1]}")
    wrong = (heard | logged).difference(begun)
    missing = due - heard | due - logged
    problems = {name: each["problem"] for name, each in shown.items() if each["problem"]}
    if wrong or missing or problems or not due:
        sys.exit(f"wrong: {wrong or 'none'}; missing: {missing or 'none'}; problems: {problems}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
