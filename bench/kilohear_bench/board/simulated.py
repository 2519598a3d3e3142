"""The simulator at hand: it hears what it is given, its work is counted from outside."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kilohear.backends.integer import infer
from kilohear.bundle import Bundle, Kind
from kilohear.capture import open_source
from kilohear.capture.synthetic import Scene
from kilohear.files import sha256_of
from kilohear_bench.accuracy import Prediction, f1_scores, recalls
from kilohear_bench.apollo3.cycles import STATED_ERROR
from kilohear_bench.apollo3.elf import FIRMWARE
from kilohear_bench.apollo3.machine import Usage
from kilohear_bench.apollo3.microphone import Clip as Sound
from kilohear_bench.apollo3.rates import rate_of
from kilohear_bench.apollo3.reference import answer
from kilohear_bench.board.session import Session
from kilohear_bench.board.students import bundle_of, image_of
from kilohear_bench.clips import Clip
from kilohear_bench.devices.apollo3 import Window
from kilohear_bench.devices.apollo3_simulator import Simulator
from kilohear_bench.measurement import Measurement
from kilohear_bench.meters.model import CORE_HZ, Load, paper_estimate, physical_estimate

STAGES = ("capture", "decimator", "logmel", "fft", "student", "events")
"""In the order of the flow; `logmel` is counted without the `fft` in it."""

REST = ("board", "main", "protocol")
"""What else runs: waking and sleeping, the loop, saying the answers on the serial line."""

_PER_WINDOW = ("logmel", "fft", "student", "events")
_FEATURES_OF = 20  # clips: the serial line takes a second for a map
_BLOCKS = 156  # of 32 ms: five seconds of the paper's workload
_COUNTER = "Unicorn"
_CYCLES = f"Unicorn, cycles by class of instruction, within {STATED_ERROR:.0%}"


class Simulated(Session):
    """The simulated board."""

    kind: Kind = "simulated"
    clock = "virtual time"

    def connect(self) -> str:
        """Switch the simulator on."""
        self.simulator = self.stack.enter_context(Simulator())
        return self.simulator.port

    def choose(self, rate_hz: int, bundle: Bundle | None) -> str:
        """Listen at a rate from now on, by a bundle's student or the firmware's own."""
        self._flash(bundle)
        return self.settle(rate_hz)

    def work(self, rate_hz: int, subject: str) -> list[Measurement]:
        """Count windows of a scene one by one, then the paper's workload; model the current."""
        scene = np.concatenate(list(Scene(5.2 * self.config.windows).blocks()))
        windows, usages = [], []
        for part in np.array_split(scene, self.config.windows):
            self._hear(Sound(part, 16_000))
            before = self.simulator.usage()
            windows += self.board.run_windows(1)
            usages.append(self.simulator.usage() - before)
        counted = self._counts(subject, windows, usages)
        return [
            *counted,
            *self._paper_workload(subject, Sound(scene, 16_000)),
            self.latency(subject, windows),
            *self._currents(rate_hz, subject, counted),
        ]

    def worth(
        self, rate_hz: int, bundle: Bundle, unseen: Sequence[Clip], clips: Sequence[Clip]
    ) -> list[Measurement]:
        """Play clips that a student never saw, and others of `clips` to the firmware's own.

        The first are scored. Of all, label and logits are compared with the reference's.
        """
        dataset = self.config.dataset or ""
        unseen = unseen[: self.config.clips]
        self._flash(bundle)
        self.settle(rate_hz)
        scored, labels, logits = self._play(bundle, unseen)

        self._flash(None)
        own = self.settle(rate_hz)
        rest = [clip for clip in clips if clip not in unseen]
        wanted = max(0, self.config.clips - len(unseen))
        rest = rest[:: max(1, len(rest) // max(1, wanted))][:wanted]  # of every class and fold
        _, more_labels, more_logits = self._play(bundle_of(own, rate_hz), rest)

        name = bundle.card.name
        folds = ", ".join(str(fold) for fold in sorted({clip.fold for clip in unseen}))
        common = {"dataset": Path(dataset).stem}
        heard = {
            "note": f"{len(scored)} clips of fold {folds}, kept from training",
            "card": bundle.card.identity.sha256.hex(),
            "clips_true_predicted": {p.clip: [p.true, p.predicted] for p in scored},
        }
        clips_of = {"clips_by_student": {name: len(unseen), own: len(rest)}}
        meter = "labels of the data set"
        made = []
        for metric, score in (("macro_accuracy", recalls), ("macro_f1", f1_scores)):
            values = score(scored)
            conditions = {**common, "classes": list(values), **heard}
            made.append(
                self.measurement(
                    metric, name, tuple(values.values()), "fraction", meter, conditions=conditions
                )
            )
        for what, values, meter in (
            ("label", labels + more_labels, "reference in Python from the clip on"),
            ("logit", logits + more_logits, "reference in Python from the board's features on"),
        ):
            made.append(
                self.measurement(
                    f"{what}_agreement", name, values, "fraction", meter,
                    conditions={**common, **clips_of},
                )
            )  # fmt: skip
        return made

    def describe(self) -> dict[str, Any]:
        """Return what was simulated."""
        return {
            "board": "Apollo3 Blue, Cortex-M4F at 48 MHz, simulated",
            "firmware": self.firmware,
            "firmware_sha256": sha256_of(FIRMWARE),
        }

    def versions(self) -> dict[str, str]:
        """Return the versions of what takes part."""
        return super().versions() | {"unicorn": importlib.metadata.version("unicorn")}

    def _flash(self, bundle: Bundle | None) -> None:
        self.simulator.write_user_slot(image_of(bundle).to_bytes() if bundle else None)
        self.board.reopen()

    def _hear(self, sound: Sound) -> None:
        self.simulator.microphone.clear()
        self.simulator.microphone.queue(sound.samples, sound.rate_hz)

    def _play(
        self, bundle: Bundle, clips: Sequence[Clip]
    ) -> tuple[list[Prediction], list[float], list[float]]:
        """Return predictions, and for each clip what agrees with the reference in Python.

        The label with that of the whole reference, whose log-mel is float64; of the first clips
        the logits, bit for bit, with those of its student on the board's own features.
        """
        image = image_of(bundle)
        predictions, labels, logits = [], [], []
        for clip in clips:
            source = open_source(clip.path)
            sound = Sound(np.concatenate(list(source.blocks())), source.rate_hz)
            self._hear(sound)
            (window,) = self.board.run_windows(1)
            expected = answer(sound, image)
            predictions.append(Prediction(clip.path.name, clip.label, window.label))
            labels.append(float(window.label == expected.label))
            if len(logits) < _FEATURES_OF:
                features = self.board.features().reshape(image.frames, image.bands)
                logits.append(float(window.logits == tuple(infer(image, features).tolist())))
        return predictions, labels, logits

    def _counts(
        self, subject: str, windows: list[Window], usages: list[Usage]
    ) -> list[Measurement]:
        """Per second of sound: what windows take by their length, the rest by the time captured."""
        student = self.board.version().student
        assert student is not None  # it has just listened
        window_s = student.samples / rate_of(student.rate_hz).effective_hz
        captured_s = [sum(usage.pdm_s.values()) for usage in usages]
        made = []
        awake_cycles = np.zeros(len(usages))
        for stage in (*STAGES, *REST):
            over_s = [window_s] * len(usages) if stage in _PER_WINDOW else captured_s
            counts = [usage.stages[stage] for usage in usages]
            instructions = [c.instructions / s for c, s in zip(counts, over_s, strict=True)]
            cycles = [c.cycles / s for c, s in zip(counts, over_s, strict=True)]
            awake_cycles += cycles
            made += [
                self.measurement(f"instructions_{stage}", subject, instructions, "1/s", _COUNTER),
                self.measurement(f"cycles_{stage}", subject, cycles, "1/s", _CYCLES),
            ]
        pairs = list(zip(usages, captured_s, strict=True))
        return [
            *made,
            self.measurement("duty_cycle", subject, (awake_cycles / CORE_HZ).tolist(), "fraction"),
            self.measurement("wakes", subject, [u.deep_sleeps / s for u, s in pairs], "1/s"),
            self.measurement("uart_share", subject, [u.uart_s / s for u, s in pairs], "fraction"),
        ]

    def _paper_workload(self, subject: str, sound: Sound) -> list[Measurement]:
        """Count an FFT for each block of 32 ms: what the paper's board did."""
        self._hear(sound)
        before = self.simulator.usage()
        fft = self.board.fft(_BLOCKS)
        usage = self.simulator.usage() - before
        conditions = {"points": fft.points, "blocks": fft.blocks}
        stages = ("capture", "decimator", "fft", "board")
        cycles = sum(usage.stages[stage].cycles for stage in stages) / sum(usage.pdm_s.values())
        instructions = usage.stages["fft"].instructions / (fft.blocks * 0.032)
        return [
            self.measurement(
                "cycles_paper_workload", subject, [cycles], "1/s", _CYCLES, conditions=conditions
            ),
            self.measurement(
                "instructions_paper_fft", subject, [instructions], "1/s", _COUNTER,
                conditions=conditions,
            ),
        ]  # fmt: skip

    def _currents(
        self, rate_hz: int, subject: str, counted: Sequence[Measurement]
    ) -> list[Measurement]:
        rate, mean = rate_of(rate_hz), {m.name: m.mean for m in counted}
        load = Load(
            rate_hz=rate_hz,
            effective_hz=rate.effective_hz,
            pdm_clock_hz=rate.clock_hz,
            cycles_per_s={stage: mean[f"cycles_{stage}"] for stage in (*STAGES, *REST)},
            kind="simulated",
            wakes_per_s=mean["wakes"],
            uart_share=mean["uart_share"],
        )
        physical, paper = physical_estimate(load), paper_estimate(rate_hz)
        return [
            self.measurement(
                f"current_{profile}", subject, [estimate.current_ma], "mA",
                f"energy model, profile {profile}", "modelled",
                {"low_ma": estimate.low_ma, "high_ma": estimate.high_ma},
            )
            for profile, estimate in (("physical", physical), ("paper", paper))
        ]  # fmt: skip
