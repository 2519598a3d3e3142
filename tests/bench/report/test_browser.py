"""The page in a browser: it fits a phone, has two themes, and says nothing on the console."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest
from tests.bench.report.made import make_run

from kilohear_bench.report.page import KINDS, TEMPLATES
from kilohear_bench.report.write import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PHONE_PX = 390
PROBE = """
<script>
const wide = [...document.querySelectorAll("body *")].filter(e =>
  !e.closest(".scroll > *, svg *") && e.getBoundingClientRect().right > innerWidth + 0.5);
const found = {
  inner: innerWidth,
  scroll: document.documentElement.scrollWidth,
  wide: wide.map(e => e.tagName + "." + e.className),
  page: getComputedStyle(document.body).backgroundColor,
  tables: [...document.querySelectorAll(".scroll")].map(e => e.scrollWidth > e.clientWidth),
};
parent.postMessage(JSON.stringify(found), "*");
</script>
</body>
"""
FRAME = """<!DOCTYPE html>
<meta name="color-scheme" content="light dark">
<pre id="probe"></pre>
<script>onmessage = e => { document.getElementById("probe").textContent = e.data; };</script>
<iframe src="probed.html" width="390" height="844" style="border: 0"></iframe>
"""
"""A window can't be as narrow as a phone, a frame in it can."""


def themes() -> dict[str, dict[str, str]]:
    """The page's colours by name, as its style sheet gives them for either theme."""
    css = (TEMPLATES / "report.css").read_text()
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css.partition("@media")[0]))
    dark = re.search(
        r"@media screen and \(prefers-color-scheme: dark\) \{(.*?)\n\}", css, re.DOTALL
    )
    assert dark is not None
    return {
        "light": light,
        "dark": light | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark[1])),
    }


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`; source: WCAG 2.2, definitions."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21; source: WCAG 2.2, definitions."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_can_be_read_and_marks_be_told_from_paper(theme: str) -> None:
    colours = themes()[theme]
    words = [
        *((ink, paper) for ink in ("ink", "muted", "accent") for paper in ("page", "card")),
        *((ink, paper) for ink in ("ink", "muted") for paper in ("soft", "bad-soft")),
        ("bad", "bad-soft"),
        *((kind, f"{kind}-soft") for kind in KINDS),
    ]
    low = {pair: contrast(*(colours[name] for name in pair)) for pair in words}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}
    marks = [name for name in colours if re.fullmatch(r"c\d", name)]
    assert [name for name in marks if contrast(colours[name], colours["card"]) < 3] == []


def test_no_colour_stands_outside_the_themes() -> None:
    css = (TEMPLATES / "report.css").read_text()
    rules = re.sub(r":root \{.*?\}", "", css, flags=re.DOTALL)
    assert re.findall(r"#[0-9a-fA-F]{3,6}\b", rules) == []


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    make_run(folder / "run", fails=True)
    text = write_report([folder / "run"]).read_text()
    probed = text.replace("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';")
    probed = probed.replace("<details>", "<details open>").replace("</body>", PROBE)
    (folder / "probed.html").write_text(probed)
    (folder / "frame.html").write_text(FRAME)
    return folder / "frame.html"


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
@pytest.mark.parametrize(("theme", "scheme"), [("light", 1), ("dark", 0)])
def test_it_fits_a_phone_in_both_themes(
    page: Path, tmp_path: Path, theme: str, scheme: int
) -> None:
    ran = subprocess.run(
        [
            *(str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--enable-logging=stderr", f"--blink-settings=preferredColorScheme={scheme}"),
            *(f"--user-data-dir={tmp_path}", "--virtual-time-budget=2000", "--dump-dom"),
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    probe = re.search(r'<pre id="probe">(.+?)</pre>', ran.stdout, re.DOTALL)
    assert probe is not None, ran.stderr
    found = json.loads(unescape(probe[1]))
    assert [line for line in ran.stderr.splitlines() if "CONSOLE" in line] == []
    assert found["scroll"] <= found["inner"] == PHONE_PX
    assert found["wide"] == []
    assert any(found["tables"])
    red, green, blue = (int(themes()[theme]["page"][i : i + 2], 16) for i in (1, 3, 5))
    assert found["page"] == f"rgb({red}, {green}, {blue})"
