"""The Settings screen: when to listen, what counts as a sound, what is shown and how."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

from kilohear.bundle import read_card, shipped
from kilohear.capture.feed import Duty
from kilohear.errors import KilohearError
from kilohear_ui.screens import AppScreen, load_rules
from kilohear_ui.settings import TEXT_SCALES, Settings
from kilohear_ui.widgets import Toggle

load_rules(__file__)

DUTIES = (None, Duty(5, 10), Duty(5, 30), Duty(5, 60), Duty(5, 300))
"""What can be chosen; a window of the shipped bundles is 5 s long."""

USUAL_GATE_DB = -60.0
"""Where the gate's level is when it is switched on."""


class SettingsScreen(AppScreen):
    """See the .kv file beside this one."""

    def __init__(self, **kwargs: Any) -> None:
        self._is_sure = False
        super().__init__(**kwargs)
        self._show()

    def entered(self) -> None:
        """Show what was changed elsewhere: the bundle, and with it the labels."""
        self._is_sure = False
        self._show()

    def change(self, **changes: object) -> None:
        """Change settings, and show them."""
        self.app.change(**changes)
        self._show()

    def switch_gate(self, wanted: bool) -> None:
        """Switch the gate."""
        self.change(gate_db=USUAL_GATE_DB if wanted else None)

    def set_on(self, percent: float) -> None:
        """Set where a sound begins; where it ends stays at or below that."""
        on, old = percent / 100, self.app.settings.detection
        self._detect(threshold_on=on, threshold_off=min(old.threshold_off, on))

    def set_off(self, percent: float) -> None:
        """Set where a sound ends; where it begins stays at or above that."""
        off, old = percent / 100, self.app.settings.detection
        self._detect(threshold_on=max(old.threshold_on, off), threshold_off=off)

    def set_smoothing(self, seconds: float) -> None:
        """Set the time constant."""
        self._detect(smoothing_s=round(seconds, 2))

    def reset(self) -> None:
        """Put all back, at the second press."""
        if self._is_sure:
            self._is_sure = False
            fresh = Settings()
            self.change(**{f.name: getattr(fresh, f.name) for f in dataclasses.fields(fresh)})
        else:
            self._is_sure = True
            self._show()

    def preview(self) -> None:
        """Show the sliders' numbers while they move."""
        texts, ids = self.app.texts, self.ids
        ids.gate_db.shown = texts("listen.db", n=texts.number(ids.gate_db.value))
        for name in ("on", "off"):
            ids[name].shown = texts("listen.percent", n=round(ids[name].value))
        smoothing_s = ids.smoothing.value
        ids.smoothing.shown = (
            texts("settings.seconds", n=texts.number(smoothing_s, 1))
            if smoothing_s
            else texts("settings.unsmoothed")
        )

    def _detect(self, **changes: float) -> None:
        self.change(detection=dataclasses.replace(self.app.settings.detection, **changes))

    def _show(self) -> None:
        kept, texts, ids = self.app.settings, self.app.texts, self.ids
        duties = DUTIES if kept.duty in DUTIES else (*DUTIES, kept.duty)
        ids.duty.options = [(duty, self._duty(duty)) for duty in duties]
        ids.duty.value = kept.duty
        ids.gate.active = kept.gate_db is not None
        ids.gate_db.disabled = kept.gate_db is None
        ids.gate_db.value = USUAL_GATE_DB if kept.gate_db is None else kept.gate_db
        ids.on.value = round(100 * kept.detection.threshold_on)
        ids.off.value = round(100 * kept.detection.threshold_off)
        ids.smoothing.value = kept.detection.smoothing_s
        ids.language.options = [
            ("system", texts("settings.system")),
            ("en", "English"),
            ("de", "Deutsch"),
        ]
        ids.language.value = kept.language
        ids.look.options = [
            (look, texts(f"settings.{look}")) for look in ("system", "light", "dark")
        ]
        ids.look.value = kept.look
        ids.text.options = [
            (scale, texts("listen.percent", n=round(100 * scale))) for scale in TEXT_SCALES
        ]
        ids.text.value = kept.text_scale
        ids.reset.text = texts("settings.reset.sure" if self._is_sure else "settings.reset.all")
        self.preview()
        self._show_labels()

    def _duty(self, duty: Duty | None) -> str:
        if duty is None:
            return self.app.texts("settings.always")
        return self.app.texts(
            "settings.duty", listen=f"{duty.listen_s:g}", every=f"{duty.every_s:g}"
        )

    def _show_labels(self) -> None:
        kept, texts, section = self.app.settings, self.app.texts, self.ids.labels
        section.note = texts("settings.labels.note", bundle=kept.bundle)
        labels = _labels(kept.bundle)
        toggles = self.ids.toggles
        if [toggle.label for toggle in reversed(toggles.children)] != list(labels):
            toggles.clear_widgets()
            for label in labels:
                toggle = LabelToggle(label, texts.label(label))
                toggle.bind(on_toggled=self._toggle_label)
                toggles.add_widget(toggle)
        for toggle in toggles.children:
            toggle.active = toggle.label not in kept.hidden

    def _toggle_label(self, toggle: LabelToggle, active: bool) -> None:
        hidden = set(self.app.settings.hidden) - {toggle.label}
        self.change(hidden=tuple(sorted(hidden if active else hidden | {toggle.label})))


class LabelToggle(Toggle):
    """Whether a label is shown."""

    def __init__(self, label: str, text: str) -> None:
        self.label = label
        super().__init__(text=text)


def _labels(bundle: str) -> tuple[str, ...]:
    """Return a bundle's labels; none where it can't be read, which the ears tell."""
    with contextlib.suppress(KilohearError):
        return read_card(shipped().get(bundle, Path(bundle))).labels
    return ()
