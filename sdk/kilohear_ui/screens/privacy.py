"""The privacy screen: what is heard, kept and sent, and a picture of it while it is open."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
from kivy.graphics.texture import Texture
from kivy.properties import BooleanProperty, NumericProperty, ObjectProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.label import Label
from numpy.typing import NDArray

from kilohear.bundle import read_card, shipped
from kilohear.errors import KilohearError
from kilohear.monitor import SHOWN_S, Spectrum
from kilohear_ui.ears import Ended
from kilohear_ui.ears.local import LocalEars
from kilohear_ui.screens import AppScreen, load_rules
from kilohear_ui.widgets import Stat, Words

load_rules(__file__)

PICTURE_EVERY_S = 0.1
PICTURE_BLOCK_S = 0.1
"""Of a microphone that is listened to for the picture: shorter than usual, so that it flows."""

QUIET_DB, LOUD_DB = -95.0, -25.0
"""The ends of the colours."""

_ANCHORS = np.array(
    [(8, 12, 32), (38, 42, 110), (18, 110, 130), (60, 175, 110), (190, 215, 80), (255, 246, 190)],
    np.float64,
)
"""From quiet to loud, each lighter than the one before: read without telling hues apart."""


@dataclasses.dataclass(frozen=True)
class Missed:
    """Words that weren't understood at a rate, per cent.

    By ten people (published: Liang et al., Table 3) and by Whisper tiny.en on 84 clips of
    LibriSpeech (measured: bench/results/privacy).
    """

    people: float | None
    recogniser: float


MISSED = {
    1_000: Missed(96.5, 97.6),
    2_000: Missed(55.6, 83.2),
    4_000: Missed(None, 49.4),
    8_000: Missed(None, 18.1),
    16_000: Missed(5.4, 16.1),
}

LIMITS = ("words", "labels", "system", "memory", "student")


class AxisLabel(Label):
    """A number beside a picture."""


class Picture(BoxLayout):
    """The last seconds as a picture: time to the right, frequency up, loudness as light.

    `share` is how much of the height it fills: all pictures have the same axis.
    """

    title = StringProperty()
    top_text, middle_text = StringProperty(), StringProperty()
    since_text, now_text, empty_text = StringProperty(), StringProperty(), StringProperty()
    share = NumericProperty(1.0)
    texture = ObjectProperty(None, allownone=True)

    def show(self, bands_db: NDArray[np.float32]) -> None:
        """Draw bands (columns, bands)."""
        size = bands_db.shape
        if self.texture is None or self.texture.size != size:
            self.texture = Texture.create(size=size, colorfmt="rgb")
            self.texture.mag_filter = "nearest"
        self._draw(colours(bands_db))

    def wipe(self) -> None:
        """Overwrite what was drawn."""
        if self.texture is not None:
            self._draw(np.zeros((self.texture.height, self.texture.width, 3), np.uint8))
            self.texture = None

    def _draw(self, pixels: NDArray[np.uint8]) -> None:
        assert self.texture is not None
        self.texture.blit_buffer(pixels.tobytes(), colorfmt="rgb", bufferfmt="ubyte")
        self.property("texture").dispatch(self)  # the same texture, with another content


class PrivacyScreen(AppScreen):
    """See the .kv file beside this one."""

    after_title, status, listen_text = StringProperty(), StringProperty(), StringProperty()
    heard_text, speech_note = StringProperty(), StringProperty()
    shows = BooleanProperty(False)

    def __init__(self, **kwargs: Any) -> None:
        self._own: LocalEars | None = None
        self._has_borrowed = self._is_open = False
        self._drawn_s = 0.0
        self._card_of = ""
        self._card_hz: int | None = None
        super().__init__(**kwargs)
        texts = self.app.texts
        for name in LIMITS:
            self.ids.limits.add_widget(Words(text="•  " + texts(f"privacy.limits.{name}")))
        for picture in (self.ids.before, self.ids.after):
            picture.since_text = texts("privacy.since", seconds=self._number(SHOWN_S))
            picture.now_text = texts("privacy.now")
        self._say()

    def entered(self) -> None:
        """Begin to watch; a service is let rest meanwhile, as its bands never come here."""
        ears = self.app.ears
        self._is_open = True
        if ears.has_spectrum:
            ears.watch_spectrum(True)
        elif ears.is_listening and not ears.is_paused:
            self._has_borrowed = True
            ears.pause()
            self._listen()
        self._say()

    def left(self) -> None:
        """End it, and overwrite what was drawn and kept."""
        self._is_open = False
        if self._own is not None:
            self._own.close()
            self._own = None
        if self.app.ears.has_spectrum:
            self.app.ears.watch_spectrum(False)
        if self._has_borrowed:
            self._has_borrowed = False
            self.app.ears.resume()
        self._wipe()

    def switch(self) -> None:
        """Listen for the picture, or end that."""
        if self._own is not None:
            self._own.stop()
            return
        app = self.app
        if app.source.startswith("microphone") and not app.platform.may_record():
            app.platform.ask_to_record(self._answer)
        else:
            self._listen()

    def refresh(self) -> None:
        """Draw what is new, ten times a second."""
        now_s = time.monotonic()
        if not self._is_open or now_s - self._drawn_s < PICTURE_EVERY_S:
            return
        self._drawn_s = now_s
        self._take()
        self._say()
        spectrum = (self._own or self.app.ears).spectrum()
        if spectrum is None or not self.shows:
            self._wipe()
        else:
            self._draw(spectrum)

    def _answer(self, may_record: bool) -> None:
        if may_record and self._is_open:
            self._listen()

    def _listen(self) -> None:
        """Listen in this process; what is recognised isn't logged."""
        self._own = LocalEars(None, block_s=PICTURE_BLOCK_S)
        self._own.watch_spectrum(True)
        self._own.start(dataclasses.replace(self.app.wish, duty=None))

    def _take(self) -> None:
        for said in self._own.take() if self._own is not None else ():
            if isinstance(said, Ended) and self._own is not None:
                self._own.close()
                self._own = None
                if said.problem is not None:
                    self.app.show(said.problem)

    def _draw(self, spectrum: Spectrum) -> None:
        texts, before, after = self.app.texts, self.ids.before, self.ids.after
        for picture in (before, after):
            picture.top_text = texts("listen.khz", n=self._number(spectrum.before_hz / 1_000))
            picture.middle_text = self._number(spectrum.before_hz / 2_000)
        after.share = min(1.0, spectrum.after_hz / spectrum.before_hz)
        band_khz = self._number(spectrum.after_hz / 1_000)
        after.empty_text = texts("privacy.empty", band_khz=band_khz) if after.share < 1 else ""
        before.show(spectrum.before_db)
        after.show(spectrum.after_db)

    def _wipe(self) -> None:
        self.ids.before.wipe()
        self.ids.after.wipe()

    def _say(self) -> None:
        """Put what is heard at this rate into words."""
        texts, ears = self.app.texts, self.app.ears
        others = ears.is_listening and ears.has_spectrum and not ears.is_paused
        self.shows = self._own is not None or others
        self.listen_text = texts("privacy.stop" if self._own is not None else "privacy.listen")
        self.ids.listen.disabled = others and self._own is None
        self.status = texts(
            "privacy.status.borrowed"
            if self._has_borrowed
            else "privacy.status.shown"
            if self.shows
            else "privacy.status.off"
        )
        self._say_rate()

    def _say_rate(self) -> None:
        texts, rate_hz = self.app.texts, self._rate_hz()
        if rate_hz is None:
            self.heard_text = texts("privacy.heard.unknown")
            self.after_title, self.speech_note = texts("privacy.after.unknown"), ""
            self.ids.stats.clear_widgets()
            return
        khz, band_khz = self._number(rate_hz / 1_000), self._number(rate_hz / 2_000)
        self.after_title = texts("privacy.after", band_khz=band_khz)
        started = self.app.session.started
        granted = (
            ""
            if started is None
            else texts("privacy.heard.granted", khz=self._number(started.granted_hz / 1_000))
        )
        self.heard_text = f"{texts('privacy.heard.text', khz=khz, band_khz=band_khz)} {granted}"
        speech_note = texts("privacy.speech.note", khz=khz)
        if self.speech_note != speech_note:
            self.speech_note = speech_note
            self._fill_stats(MISSED.get(rate_hz))

    def _fill_stats(self, missed: Missed | None) -> None:
        texts = self.app.texts
        self.ids.stats.clear_widgets()
        for who in ("people", "recogniser"):
            percent = None if missed is None else getattr(missed, who)
            value = "" if percent is None else texts("listen.percent", n=self._number(percent))
            self.ids.stats.add_widget(
                Stat(
                    caption=texts(f"privacy.{who}"),
                    value=value,
                    kind=texts(f"privacy.{who}.kind"),
                    missing=texts("privacy.not_measured"),
                )
            )

    def _number(self, value: float) -> str:
        return self.app.texts.number(value, 0 if value == int(value) else 1)

    def _rate_hz(self) -> int | None:
        """Return the rate of the bundle that is chosen; None: its card can't be read."""
        name = self.app.settings.bundle
        if name != self._card_of:
            self._card_of = name
            try:
                self._card_hz = read_card(shipped().get(name) or Path(name)).rate_hz
            except KilohearError:
                self._card_hz = None
        return self._card_hz


def colours(bands_db: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the picture (bands, columns, 3) of bands (columns, bands), lowest band first."""
    loudness = np.clip((bands_db.T - QUIET_DB) / (LOUD_DB - QUIET_DB), 0, 1)
    at = np.linspace(0, 1, len(_ANCHORS))
    channels = [np.interp(loudness, at, _ANCHORS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)
