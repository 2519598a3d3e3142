"""The simulator at hand: it hears what it is given, its work is counted from outside."""

from __future__ import annotations

import importlib.metadata
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear.backends.integer import infer
from kilohear.bundle import Bundle, Kind
from kilohear.capture import open_source
from kilohear.capture.synthetic import Scene
from kilohear.files import sha256_of
from kilohear_bench.accuracy import Prediction, clip_measurements
from kilohear_bench.apollo3.cycles import STATED_ERROR
from kilohear_bench.apollo3.elf import FIRMWARE
from kilohear_bench.apollo3.machine import Usage
from kilohear_bench.apollo3.microphone import Clip as Sound
from kilohear_bench.apollo3.rates import rate_of
from kilohear_bench.apollo3.reference import answer
from kilohear_bench.board.config import WINDOWS
from kilohear_bench.board.session import GATE_PIN, WINDOW_IS, Session, trace_of
from kilohear_bench.board.students import Student, image_of
from kilohear_bench.board.worth import Play
from kilohear_bench.devices import Outcome, Step
from kilohear_bench.devices.apollo3_simulator import Simulator
from kilohear_bench.measurement import Measurement
from kilohear_bench.meters.model import (
    CORE_HZ,
    SUPPLY_V,
    Load,
    ModelMeter,
    PaperEstimate,
    PhysicalEstimate,
    Segment,
    paper_estimate,
    physical_estimate,
)

STAGES = ("capture", "decimator", "logmel", "fft", "student", "events")
"""In the order of the flow; `logmel` is counted without the `fft` in it."""

REST = ("board", "main", "protocol")
"""What else runs: waking and sleeping, the loop, saying the answers on the serial line."""

_PER_WINDOW = ("logmel", "fft", "student", "events")
_BLOCKS = 156  # of 32 ms: five seconds of the paper's workload
_COUNTER = "Unicorn"
_CYCLES = f"Unicorn, cycles by class of instruction, within {STATED_ERROR:.0%}"
_TRACE_HZ = 1_000.0
_WINDOW_PAD, _WORK_PAD = 5, 6  # bench/apollo3/PROTOCOL.md
_SCENE_S = 5.2  # for a window of 5 s that the board, 2.3% slow, takes 5.12 s for


class Simulated(Session):
    """The simulated board; each count begins at its power-on, so that none depends on another."""

    kind: Kind = "simulated"
    clock = "virtual time"

    def connect(self) -> str:
        """Switch the simulator on."""
        self.simulator = self.stack.enter_context(Simulator(paced=False))
        self._listens: Student | None = None
        return self.simulator.port

    def describe(self) -> dict[str, Any]:
        """Return what is simulated."""
        return {
            "board": "Apollo3 Blue, Cortex-M4F at 48 MHz, simulated",
            "firmware": self.firmware,
            "firmware_sha256": sha256_of(FIRMWARE),
        }

    def versions(self) -> dict[str, str]:
        """Return the versions of what takes part."""
        return super().versions() | {"unicorn": importlib.metadata.version("unicorn")}

    def choose(self, rate_hz: int, bundle: Bundle | None) -> Student:
        """Switch the board on, a bundle's student or none in its user slot, at a rate."""
        self.simulator.power_cycle(image_of(bundle).to_bytes() if bundle else None)
        self.board.take_greeting()
        self._listens = self.settle(rate_hz, bundle)
        return self._listens

    def steps(self, student: Student) -> list[Step]:
        """Return windows of a scene, counted one by one, and the paper's workload."""
        return [
            *(
                Step(f"{student.rate_hz} Hz/window {i}", partial(self._window, student, i))
                for i in range(self.config.windows or WINDOWS)
            ),
            Step(f"{student.rate_hz} Hz/paper", partial(self._paper, student)),
        ]

    def hear(self, play: Play) -> Outcome:
        """Play a clip; compare the answer with the reference's, and with the truth if scored.

        The label with that of the whole reference, whose log-mel is float64; the logits, bit for
        bit, with those of its student on the board's own features.
        """
        student, clip = play.student, play.clip
        if student != self._listens:
            self._choose(student)
        image = student.image
        source = open_source(clip.path)
        sound = Sound(np.concatenate(list(source.blocks())), source.rate_hz)
        self._play(sound)
        (window,) = self.board.run_windows(1)
        correct, agreed = clip_measurements(
            self.measurement("clip", student, [0.0], "", conditions=play.conditions),
            [Prediction(clip.name, clip.label, window.label)],
            [answer(sound, image).label],
        )
        made = [correct, agreed] if play.scored else [agreed]
        if play.logits:
            features = self.board.features().reshape(image.frames, image.bands)
            equal = window.logits == tuple(infer(image, features).tolist())
            meter = "reference in Python from the board's features on"
            conditions = {"dataset": play.conditions["dataset"]}
            made.append(
                self.measurement(
                    "logit_agreement", student, [equal], "fraction", meter, conditions=conditions
                )
            )
        return Outcome(made)

    def _choose(self, student: Student) -> None:
        self.choose(student.rate_hz, student.bundle if student.flashed else None)

    def _play(self, sound: Sound) -> None:
        self.simulator.microphone.clear()
        self.simulator.microphone.queue(sound.samples, sound.rate_hz)

    @cached_property
    def _scene(self) -> list[NDArray[np.float32]]:
        """A part of a scene for each window, float32 (samples,) at 16 kHz."""
        windows = self.config.windows or WINDOWS
        return np.array_split(np.concatenate(list(Scene(_SCENE_S * windows).blocks())), windows)

    def _window(self, student: Student, i: int) -> Outcome:
        """Count a window; model what it draws."""
        self._choose(student)
        self._play(Sound(self._scene[i], 16_000))
        before = self.simulator.usage()
        (window,) = self.board.run_windows(1)
        self.simulator.settle()
        usage = self.simulator.usage() - before
        counted = self._counts(student, usage)
        load = _load(student, {m.name: m.mean for m in counted})
        meter = ModelMeter("physical", _TRACE_HZ, SUPPLY_V, GATE_PIN)
        meter.start()
        meter.play(load, self._segments(before.elapsed_s, usage.elapsed_s))
        return Outcome(
            [*counted, self.latency(student, window), *self._modelled(student, load)],
            [trace_of(student, meter.stop())],
        )

    def _segments(self, start_s: float, duration_s: float) -> list[Segment]:
        """Return when the core worked and the student ran, by the board's pins."""
        segments, at_s, high = [], 0.0, {_WINDOW_PAD: False, _WORK_PAD: False}
        edges = [(edge.time_s - start_s, edge) for edge in self.simulator.edges()]
        for time_s, edge in (*((t, e) for t, e in edges if t >= 0), (duration_s, None)):
            stage = "work" if any(high.values()) else None
            segments.append(Segment(_seconds(time_s - at_s), stage, high[_WINDOW_PAD]))
            at_s = time_s
            if edge is not None:
                high[edge.pin] = edge.level
        return segments

    def _counts(self, student: Student, usage: Usage) -> list[Measurement]:
        """Per second of sound: what windows take by their length, the rest by the time captured."""
        captured_s = _seconds(sum(usage.pdm_s.values()))
        made, awake_cycles = [], 0.0
        for stage in (*STAGES, *REST):
            over_s = _window_s(student) if stage in _PER_WINDOW else captured_s
            count = usage.stages[stage]
            awake_cycles += count.cycles / over_s
            made += [
                self.measurement(name, student, [value / over_s], "1/s", meter)
                for name, value, meter in (
                    (f"instructions_{stage}", count.instructions, _COUNTER),
                    (f"cycles_{stage}", count.cycles, _CYCLES),
                )
            ]
        for name, value, unit in (
            ("duty_cycle", awake_cycles / CORE_HZ, "fraction"),
            ("wakes", usage.deep_sleeps / captured_s, "1/s"),
            ("uart_share", _seconds(usage.uart_s) / captured_s, "fraction"),
        ):
            made.append(self.measurement(name, student, [value], unit))
        return made

    def _modelled(self, student: Student, load: Load) -> list[Measurement]:
        """Return what a window draws; linear in its counts, so that means of windows are means."""
        estimate, window_s = physical_estimate(load, SUPPLY_V), _window_s(student)
        power_mw = estimate.current_ma * SUPPLY_V
        conditions = {"supply_v": SUPPLY_V, "window_is": WINDOW_IS}
        return [
            self._current("physical", student, estimate),
            *(
                self.measurement(
                    name, student, [value], unit, _model("physical"), "modelled", conditions
                )
                for name, value, unit in (
                    ("window_energy", power_mw * window_s, "mJ"),
                    ("window_power", power_mw, "mW"),
                    ("window_time", window_s, "s"),
                )
            ),
        ]

    def _paper(self, student: Student) -> Outcome:
        """Count an FFT for each block of 32 ms: what the paper's board did; give its current."""
        self._choose(student)
        self._play(Sound(self._scene[0], 16_000))
        before = self.simulator.usage()
        fft = self.board.fft(_BLOCKS)
        self.simulator.settle()
        usage = self.simulator.usage() - before
        conditions = {"points": fft.points, "blocks": fft.blocks}
        stages = ("capture", "decimator", "fft", "board")
        captured_s = _seconds(sum(usage.pdm_s.values()))
        cycles = sum(usage.stages[stage].cycles for stage in stages) / captured_s
        instructions = usage.stages["fft"].instructions / (fft.blocks * 0.032)
        made = [
            self.measurement(name, student, [value], "1/s", meter, conditions=conditions)
            for name, value, meter in (
                ("cycles_paper_workload", cycles, _CYCLES),
                ("instructions_paper_fft", instructions, _COUNTER),
            )
        ]
        return Outcome([*made, self._current("paper", student, paper_estimate(student.rate_hz))])

    def _current(
        self, profile: str, student: Student, estimate: PhysicalEstimate | PaperEstimate
    ) -> Measurement:
        interval = {"low_ma": estimate.low_ma, "high_ma": estimate.high_ma}
        return self.measurement(
            f"current_{profile}", student, [estimate.current_ma], "mA", _model(profile),
            "modelled", interval,
        )  # fmt: skip


def _load(student: Student, counted: dict[str, float]) -> Load:
    rate = rate_of(student.rate_hz)
    return Load(
        rate_hz=student.rate_hz,
        effective_hz=rate.effective_hz,
        pdm_clock_hz=rate.clock_hz,
        cycles_per_s={stage: counted[f"cycles_{stage}"] for stage in (*STAGES, *REST)},
        kind="simulated",
        wakes_per_s=counted["wakes"],
        uart_share=counted["uart_share"],
    )


def _model(profile: str) -> str:
    return f"energy model, profile {profile}"


def _window_s(student: Student) -> float:
    """Return the time that a window's samples take, s."""
    return student.image.samples / rate_of(student.rate_hz).effective_hz


def _seconds(difference: float) -> float:
    """Return a difference of times without the float's last digits, which tell how late it was."""
    return round(difference, 9)
