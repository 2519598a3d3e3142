"""The profile screen: what to measure, what runs, and what came of it."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from kivy.properties import ListProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.widget import Widget

import kilohear
from kilohear.bundle import shipped
from kilohear.errors import KilohearError
from kilohear_ui.problems import Problem, problem_of
from kilohear_ui.profile.config import FULL, QUICK, ProfileConfig
from kilohear_ui.profile.profiling import SERIES, Profiling, Results
from kilohear_ui.profile.runner import About
from kilohear_ui.profile.summary import Row
from kilohear_ui.screens import AppScreen, load_rules
from kilohear_ui.texts import Texts
from kilohear_ui.widgets import Banner, Card, Section, Stat, Toggle, load_widgets

UNITS = {"current_ma": "mA", "celsius": "°C", "latency_ms": "ms"}
_SHOW_S = 0.5
_LENGTHS = {"quick": QUICK, "full": FULL}

load_widgets()  # first: rules of a class come before those of what is made from it
load_rules(__file__)


class ShareBar(Widget):
    """How much is done."""

    value = NumericProperty()


class Trace(Widget):
    """A line through the newest values, the oldest at the left."""

    values = ListProperty()
    points = ListProperty()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bind(values=self._draw, pos=self._draw, size=self._draw)

    def _draw(self, *_args: Any) -> None:
        values = self.values
        if len(values) < 2:
            self.points = []
            return
        low, high = min(values), max(values)
        rise = self.height * 0.9 / (high - low) if high > low else 0.0
        base = self.y + self.height * (0.05 if rise else 0.5)
        step = self.width / (len(values) - 1)
        self.points = [
            at
            for i, value in enumerate(values)
            for at in (self.x + i * step, base + (value - low) * rise)
        ]


class Plot(BoxLayout):
    """A quantity as it is now, and its last values."""

    caption = StringProperty()
    value = StringProperty()
    unit = StringProperty()
    kind = StringProperty()
    missing = StringProperty()
    span = StringProperty()
    values = ListProperty()


class Setup(Section):
    """What to measure, and how long it takes."""


class Running(Section):
    """What runs now, and what is seen meanwhile."""


class ResultCard(Section):
    """One subject's numbers."""


class ResultsCard(Section):
    """What was measured, and the way out."""


class ProfileScreen(AppScreen):
    """See the .kv file beside this one; what it shows is `Profiling`'s and the folder's."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._profiling: Profiling | None = None
        self._setup: Setup | None = None
        self._running: Running | None = None
        self._results: ResultsCard | None = None
        self._toggles: dict[str, Toggle] = {}
        self._plots: dict[str, Plot] = {}
        self._shown_s = 0.0

    @property
    def texts(self) -> Texts:
        """The screens' words."""
        return self.app.texts

    @property
    def profiling(self) -> Profiling:
        """What measures; made where the screen is first entered."""
        if self._profiling is None:
            app = self.app
            named = app.source.startswith("microphone")
            self._profiling = Profiling(
                root=app.folder,
                about=About(kilohear.__version__, app.platform.version(), app.platform.model()),
                battery=app.platform.battery,
                ears=app.ears,
                wish=lambda: app.wish,
                source=app.source if named else "microphone",
            )
        return self._profiling

    @property
    def config(self) -> ProfileConfig | None:
        """What is chosen; None: no rate is."""
        assert self._setup is not None, "the screen was entered"
        chosen = tuple(name for name, toggle in self._toggles.items() if toggle.active)
        length = _LENGTHS[self._setup.ids.length.value]
        return dataclasses.replace(length, bundles=chosen) if chosen else None

    def entered(self) -> None:
        """Show what can be measured and what was."""
        self._show_all()

    def left(self) -> None:
        """End a profile: what is finished is kept, and can be gone on with."""
        if self._profiling is not None and self._profiling.is_busy:
            self._profiling.cancel()
            self._after()

    def refresh(self) -> None:
        """Show how far it is."""
        if self._profiling is None or not self._profiling.is_busy:
            return
        self._profiling.tick()
        if self._profiling.is_busy:
            # Drawing costs time and energy, both of which are being measured.
            if time.monotonic() - self._shown_s >= _SHOW_S:
                self._show_progress()
        else:
            self._after()
            self._show_all()

    def start(self) -> None:
        """Begin anew, once the microphone is allowed where it is needed."""
        config = self.config
        if config is not None:
            self._with_microphone(config, lambda: self.profiling.start(config))

    def go_on(self) -> None:
        """Go on with what was stopped."""
        profile = self.profiling.unfinished()
        if profile is not None:
            self._with_microphone(profile.configuration, self.profiling.go_on)

    def share(self) -> None:
        """Offer the zip of what is there."""
        try:
            path = self.profiling.folder.write_zip()
            lies_in = self.app.platform.share(path, "application/zip")
        except (KilohearError, OSError) as error:
            self.app.show(problem_of(error))
            return
        if lies_in is not None and self._results is not None:
            self._results.ids.shared.text = self.texts("profile.shared_at", path=lies_in)

    def _with_microphone(self, config: ProfileConfig, begin: Callable[[], None]) -> None:
        def answered(may_record: bool) -> None:
            if may_record:
                self._begin(begin)
            else:
                self.app.show(Problem("no_permission", ""))

        platform = self.app.platform
        if self.profiling.estimate(config).no_energy:
            self._begin(begin)
        elif (allowed := platform.may_record()) is None:
            platform.ask_to_record(answered)
        else:
            answered(allowed)

    def _begin(self, begin: Callable[[], None]) -> None:
        try:
            begin()
        except KilohearError as error:
            self.app.show(problem_of(error))
            return
        self.app.platform.keep_awake(True)
        self._show_all()

    def _after(self) -> None:
        self.app.platform.keep_awake(False)
        over = self.profiling.over
        if over is not None and over.error is not None:
            self.app.show(problem_of(over.error))

    # What is shown

    def _show_all(self) -> None:
        columns = self.ids.columns
        columns.clear_widgets()
        self.ids.page.scroll_y = 1
        self._setup = self._running = self._results = None
        try:
            if self.profiling.is_busy:
                columns.add_widget(self._make_running())
                self._show_progress()
                return
            found = self.profiling.results()
            if found is not None and found.profile.finished_at is None:
                columns.add_widget(self._make_unfinished(found))
            setup = self._make_setup(is_first=found is None)
            results = self._make_results(found)
            for card in (*results, setup) if self._results is not None else (setup, *results):
                columns.add_widget(card)
        except KilohearError as error:
            self.app.show(problem_of(error))

    def _make_setup(self, is_first: bool) -> Setup:
        setup = Setup(title=self.texts("profile.setup"), note=self.texts("profile.setup.note"))
        self._setup, self._toggles = setup, {}
        for rate_hz, name in sorted(self._offered()):
            toggle = Toggle(text=self._rate(rate_hz), note=name, active=True)
            self._toggles[name] = toggle
            toggle.bind(on_toggled=lambda *_args: self._show_estimate())
            setup.ids.rates.add_widget(toggle)
        setup.ids.start.text = self.texts("profile.start" if is_first else "profile.start_anew")
        setup.ids.start.bind(on_release=lambda _press: self.start())
        setup.ids.length.bind(value=lambda *_args: self._show_estimate())
        self._show_estimate()
        return setup

    def _offered(self) -> Iterator[tuple[int, str]]:
        """Yield rate and name of the shipped bundles, and of the one that is chosen elsewhere."""
        for name in {*shipped(), self.app.settings.bundle}:
            # A chosen one that is gone is the Listen screen's to tell.
            with suppress(KilohearError):
                yield self.profiling.rate_hz(name), name

    def _show_estimate(self) -> None:
        assert self._setup is not None, "called while it is shown"
        ids, config = self._setup.ids, self.config
        ids.start.disabled = config is None
        if config is None:
            ids.estimate.text, ids.no_energy.text = self.texts("profile.choose_one"), ""
            return
        try:
            found = {
                name: self.profiling.estimate(dataclasses.replace(length, bundles=config.bundles))
                for name, length in _LENGTHS.items()
            }
        except KilohearError as error:
            ids.estimate.text, ids.no_energy.text = str(error), ""
            ids.start.disabled = True
            return
        ids.length.options = [
            (name, self.texts(f"profile.{name}", time=self._time(estimate.seconds)))
            for name, estimate in found.items()
        ]
        estimate = found[ids.length.value]
        key = "profile.estimate.latency" if estimate.no_energy else "profile.estimate"
        ids.estimate.text = self.texts(key, steps=estimate.steps, time=self._time(estimate.seconds))
        ids.no_energy.text = self._no_energy(estimate.no_energy)

    def _make_unfinished(self, found: Results) -> Banner:
        return Banner(
            tone="calm",
            title=self.texts("profile.unfinished"),
            text=self.texts("profile.unfinished.note", done=found.done, steps=found.profile.steps),
            actions=[(self.texts("profile.continue"), self.go_on)],
        )

    def _make_running(self) -> Running:
        running = Running()
        self._running, self._plots = running, {}
        for name in SERIES:
            plot = Plot(
                caption=self.texts(f"profile.{name}"),
                unit=UNITS[name],
                kind=self.texts("common.kind.measured"),
                missing=self.texts("profile.untold"),
            )
            self._plots[name] = plot
            running.ids.plots.add_widget(plot)
        running.ids.cancel.bind(on_release=lambda _press: self._cancel())
        return running

    def _cancel(self) -> None:
        self.left()
        self._show_all()

    def _show_progress(self) -> None:
        if self._running is None:
            return
        self._shown_s = time.monotonic()
        ids, progress = self._running.ids, self.profiling.progress
        if progress is None:
            ids.step.text = self.texts("profile.beginning")
            return
        step = progress.step
        gone_s = min(time.monotonic() - self.profiling.began_s, step.expected_s)
        ids.step.text = self.texts(
            f"profile.run.{step.state or step.kind}", khz=self._khz(step.rate_hz)
        )
        # A step's part of the whole, as far as it has come.
        rest = gone_s / progress.left_s if progress.left_s else 1.0
        ids.share.value = progress.share + (1 - progress.share) * rest
        ids.left.text = self.texts(
            "profile.step",
            n=progress.number,
            steps=progress.steps,
            time=self._time(progress.left_s - gone_s),
        )
        remark = self.profiling.remark
        ids.remark.text = "" if remark is None else self.texts(f"profile.remark.{remark.kind}")
        for name, plot in self._plots.items():
            self._show_series(plot, list(self.profiling.series[name]))

    def _show_series(self, plot: Plot, values: list[float]) -> None:
        if values == plot.values:
            return
        plot.values = values
        plot.value = self._number(values[-1]) if values else ""
        plot.span = ""
        if values and max(values) > min(values):
            plot.span = self.texts(
                "profile.span",
                low=self._number(min(values)),
                high=self._number(max(values)),
                unit=plot.unit,
            )

    def _make_results(self, found: Results | None) -> list[Card]:
        if found is None or not found.rows:
            title, note = self.texts("profile.results"), self.texts("profile.results.none")
            return [Section(title=title, note=note)]
        profile = found.profile
        self._results = results = ResultsCard()
        meter = self.texts("profile.meter", meter=profile.meter) if profile.meter else ""
        results.note = "\n".join(
            filter(
                None,
                (
                    self.texts(
                        "profile.results.of",
                        model=profile.model,
                        system=profile.system,
                        app=profile.app,
                        date=_local(profile.began_at),
                        done=found.done,
                        steps=profile.steps,
                    ),
                    meter or self._no_energy(profile.no_energy),
                ),
            )
        )
        results.ids.share.bind(on_release=lambda _press: self.share())
        return [results, *(self._make_result(row, bool(profile.meter)) for row in found.rows)]

    def _make_result(self, row: Row, has_energy: bool) -> ResultCard:
        result = ResultCard(title=self._rate(row.rate_hz), note=row.subject)
        timed = (
            ("latency", row.latency_ms, "ms", "measured"),
            ("p95", row.latency_p95_ms, "ms", "measured"),
        )
        metered = (
            ("above_idle", row.above_idle_mw, "mW", "measured"),
            ("window_mj", row.window_mj, "mJ", "measured"),
            ("hours", row.hours, "h", "modelled"),
            ("idle", row.idle_mw, "mW", "measured"),
            ("microphone", row.microphone_mw, "mW", "measured"),
            ("listening", row.listening_mw, "mW", "measured"),
        )
        warm = (("hottest", row.celsius, "°C", "measured"),) if row.celsius is not None else ()
        for name, value, unit, kind in (*timed, *(metered if has_energy else ()), *warm):
            result.ids.tiles.add_widget(
                Stat(
                    caption=self.texts(f"profile.{name}"),
                    value="" if value is None else self._number(value),
                    unit="" if value is None else unit,
                    kind=self.texts(f"common.kind.{kind}"),
                    missing=self.texts("profile.missing"),
                )
            )
        return result

    def _no_energy(self, why: str) -> str:
        return self.texts(f"profile.no_energy.{why}") if why else ""

    def _rate(self, rate_hz: int) -> str:
        return self.texts("profile.rate", khz=self._khz(rate_hz))

    def _khz(self, rate_hz: int) -> str:
        return self.texts.number(rate_hz / 1e3, 0 if rate_hz % 1000 == 0 else 1)

    def _number(self, value: float) -> str:
        """Return a number with three digits or so."""
        size = abs(value)
        return self.texts.number(value, 0 if size >= 100 else 1 if size >= 10 else 2)

    def _time(self, seconds: float) -> str:
        if seconds < 90:
            return self.texts("profile.seconds", n=max(1, round(seconds)))
        return self.texts("profile.minutes", n=round(seconds / 60))


def _local(time_utc: str) -> str:
    """Return an ISO 8601 time as this device's clock showed it."""
    return f"{datetime.datetime.fromisoformat(time_utc).astimezone():%Y-%m-%d %H:%M}"
