"""The Apollo3 board by its serial port: real or simulated, this code can't tell.

The language is described in bench/apollo3/PROTOCOL.md: MLPerf Tiny's dialect and kilohear's own
commands. Every answer becomes a typed object; what carries data is checked by its CRC; what goes
wrong is an error that says what to do. A run of windows goes on after a lost link or a reset.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
import zlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kilohear import extras
from kilohear.errors import KilohearError
from kilohear_bench.devices import DeviceLost

NAME = "kilohear-apollo3"
PROTOCOL = "kilohear board 1"
BAUD = 115_200
BUFFER_BYTES = 32_768

READY = "m-ready"
_LOAD_BYTES = 256  # of a `db` command: within the board's 600 characters, a power of two
_REFUSED = re.compile(r"^e-\[(.*)\]$")
_ANSWER = re.compile(r"^m-(.+?)-\[(.*)\]$")
_DATA = re.compile(r"^m-([a-z]+)-(\d+)-\[([0-9a-f]*)\]-([0-9a-f]{8})$")

_USB = {
    (0x1A86, 0x7523): "SparkFun Artemis (CH340)",
    (0x1366, None): "Apollo3 Blue EVB (J-Link)",
}
"""USB vendor and product of the serial converters on the boards; None is any product.

Source: the USB ID repository (linux-usb.org), QinHeng CH340 and SEGGER.
"""


class BoardError(KilohearError):
    """The board, its link or its answer isn't as it should be."""


class LinkLost(BoardError, DeviceLost):  # noqa: N818
    """The serial port is gone or the board is silent."""


class BoardRefused(BoardError):  # noqa: N818
    """The board answers a command by an error line.

    Attributes
    ----------
    cause
        The first words of the line, up to the first colon.
    """

    def __init__(self, command: str, line: str) -> None:
        super().__init__(f"the board refuses {command!r}: {line}")
        self.cause = line.partition(":")[0]


class BoardReset(BoardError):  # noqa: N818
    """The board has reset itself, and with it what was under way and its settings.

    Attributes
    ----------
    cause
        In the board's words: `brown-out`, `watchdog`, `hard-fault at ...`, and so on.
    """

    def __init__(self, cause: str) -> None:
        advice = {
            "brown-out": "its supply sagged: power it by a port or a meter that gives more",
            "watchdog": "its firmware hung: report it with the command that it was at",
            "pin": "its reset button or the serial port's DTR line was touched",
            "power-on": "its power was cut",
        }.get(cause.partition(" at ")[0], "see the cause in bench/apollo3/PROTOCOL.md")
        super().__init__(f"the board has reset itself ({cause}); {advice}")
        self.cause = cause


class WrongFirmware(BoardError):  # noqa: N818
    """What answers isn't this firmware, or another version of it."""


@dataclasses.dataclass(frozen=True)
class Port:
    """A serial port that may be a board."""

    path: str
    description: str


@dataclasses.dataclass(frozen=True)
class Rate:
    """The sampling rate, as the board keeps it.

    Attributes
    ----------
    nominal_hz, effective_hz
        What the student is trained for, and what the clocks give.
    clock_hz
        Of the PDM microphone; of the timer with the analogue one.
    sampled_hz
        Of the samples before decimation.
    decimation
        Samples taken for one that is kept.
    """

    nominal_hz: int
    effective_hz: float
    clock_hz: float
    sampled_hz: float
    decimation: int


@dataclasses.dataclass(frozen=True)
class Student:
    """The student of the active rate.

    Attributes
    ----------
    slot
        `built-in` or `user`.
    name, version, card
        Of the bundle; `card` is the card's identity, 64 hex digits.
    rate_hz
        Nominal.
    samples, frames, bands
        A window's samples and the shape of its feature map (frames, bands).
    window, hop, fft
        Samples of a frame, between frames, and points of its FFT.
    labels
        The classes.
    """

    slot: str
    name: str
    version: str
    rate_hz: int
    card: str
    samples: int
    frames: int
    bands: int
    window: int
    hop: int
    fft: int
    labels: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Version:
    """The firmware: hash of its sources, 12 hex digits, and its student; None without one."""

    firmware: str
    student: Student | None


@dataclasses.dataclass(frozen=True)
class Window:
    """One window of listening.

    Attributes
    ----------
    index
        In the run, from 0.
    label_index, label
        The most probable class, the first of equals.
    start_us, end_us, done_us
        Microseconds since reset: the first sample, the end of the DMA block with the last one,
        and the student's result.
    overruns
        PDM overruns since listening began.
    probabilities, logits
        Float (classes,) and the student's int8 outputs (classes,).
    features_crc
        CRC-32 of the feature map's bytes.
    cycles
        By stage, counted by the core; 0 where it has no counter.
    """

    index: int
    label_index: int
    label: str
    start_us: int
    end_us: int
    done_us: int
    overruns: int
    probabilities: tuple[float, ...]
    logits: tuple[int, ...]
    features_crc: int
    cycles: dict[str, int]


@dataclasses.dataclass(frozen=True)
class BoardEvent:
    """A sound that begins or ends.

    Attributes
    ----------
    label, probability
        The class, and its smoothed probability at the onset or at its highest.
    start_us, end_us
        Microseconds since listening began; `end_us` is None at the onset.
    """

    label: str
    probability: float
    start_us: int
    end_us: int | None


@dataclasses.dataclass(frozen=True)
class Listened:
    """The end of listening: windows, PDM overruns, samples at the rate, entries to deep sleep."""

    windows: int
    overruns: int
    samples: int
    deep_sleeps: int


@dataclasses.dataclass(frozen=True)
class Inference:
    """The answer of `infer` or `results`.

    Attributes
    ----------
    probabilities, logits
        As in `Window`.
    elapsed_us
        For all runs; 0 from `results`.
    cycles
        Of the last run, by stage; empty from `results`.
    """

    probabilities: tuple[float, ...]
    logits: tuple[int, ...]
    elapsed_us: int
    cycles: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Stream:
    """Samples from the microphone after decimation, int16 (samples,), and the PDM overruns."""

    samples: NDArray[np.int16]
    overruns: int


@dataclasses.dataclass(frozen=True)
class Fft:
    """FFTs of blocks from the microphone: points, blocks, the last one's strongest bin, time."""

    points: int
    blocks: int
    peak: int
    overruns: int
    elapsed_us: int
    cycles: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Frames:
    """Log-mel of the buffer's samples.

    Attributes
    ----------
    db
        float32 (frames, bands), before normalisation.
    quantised
        int8 (frames, bands), what the student gets.
    cycles
        For all of them, by stage.
    """

    db: NDArray[np.float32]
    quantised: NDArray[np.int8]
    cycles: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Stats:
    """What the board has counted since its reset."""

    pdm_overruns: int
    uart_overruns: int
    errors: int
    sleeps: int
    stack_used: int
    stack_size: int
    reset: str


def find_ports() -> list[Port]:
    """Return the serial ports whose USB converter is one of the boards'."""
    ports = extras.load("serial.tools.list_ports").comports()
    found = []
    for port in sorted(ports, key=lambda port: port.device):
        name = _USB.get((port.vid, port.pid)) or _USB.get((port.vid, None))
        if name:
            found.append(Port(port.device, name))
    return found


def choose_port(path: str | None = None) -> str:
    """Return `path`, or the only board's port; raises BoardError naming those there are."""
    if path is not None:
        return path
    ports = find_ports()
    if len(ports) == 1:
        return ports[0].path
    if not ports:
        raise BoardError(
            "no board's serial port was found; plug one in, or name its port, "
            "or use the simulator: --device apollo3-simulator"
        )
    listed = ", ".join(f"{port.path} ({port.description})" for port in ports)
    raise BoardError(f"{len(ports)} boards were found: {listed}; name one")


class Board:
    """A board behind a serial port.

    Parameters
    ----------
    port
        Path of the port.
    timeout_s
        For a line that should come at once.
    firmware
        Hash of the firmware that must be on it (`Version.firmware`); None takes any.

    Opened by `open` or by a `with` statement. Every method raises LinkLost, BoardReset or
    BoardRefused where the board doesn't answer as it should; after LinkLost, `reopen`.
    """

    def __init__(self, port: str, timeout_s: float = 2.0, firmware: str | None = None) -> None:
        self.port, self.timeout_s, self.firmware = port, timeout_s, firmware
        self.last_reset: str | None = None
        """Cause of the latest reset that was seen."""
        self._serial: Any = None
        self._settings: dict[str, str] = {}

    def open(self) -> Self:
        """Open the port, wait for the board, check its firmware.

        Opening may reset a real board by the DTR line; its greeting is taken.
        """
        serial = extras.load("serial")
        try:
            self._serial = serial.Serial(self.port, BAUD, timeout=self.timeout_s, write_timeout=5)
        except (serial.SerialException, OSError) as error:
            raise LinkLost(
                f"serial port {self.port} can't be opened: {error}; plug the board in, "
                "and close other programs that use the port"
            ) from None
        try:
            self._synchronise()
            self._check_firmware()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close the port."""
        if self._serial is not None:
            with contextlib.suppress(OSError):
                self._serial.close()
            self._serial = None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def reopen(self, wait_s: float = 10.0) -> None:
        """Open the port again, waiting for it, and set rate, arithmetic and source as before."""
        self.close()
        settings, until = self._settings, time.monotonic() + wait_s
        while True:
            try:
                self.open()
                break
            except LinkLost:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        for command, value in settings.items():
            self._set(command, value)

    def take_greeting(self) -> None:
        """Wait for the greeting of a board that was reset and was sent nothing since.

        Its settings are the defaults. Where the reset isn't known of, `reopen`.
        """
        while (line := self._raw_line(self.timeout_s)) is not None:
            if line.endswith("m-init-done"):
                self._greeting()
                return
        raise LinkLost(f"the board at {self.port} was reset and doesn't greet; open it again")

    # Commands of MLPerf Tiny.

    def name(self) -> str:
        """Return what the board calls itself."""
        return self._one("name", "name-dut")

    def profile(self) -> tuple[str, str]:
        """Return the protocol's name and the active student's, `none` without one."""
        answers = self._answers("profile")
        return self._field(answers, "profile", "profile"), self._field(answers, "model", "profile")

    def timestamp_us(self) -> int:
        """Return the time since reset, microseconds."""
        return self._laps(self.command("timestamp"), 1, "timestamp")[0]

    def load(self, data: bytes) -> None:
        """Put bytes into the board's buffer, at most 32,768."""
        if not 1 <= len(data) <= BUFFER_BYTES:
            raise BoardError(f"{len(data)} bytes can't be loaded; the buffer takes 1 to 32768")
        self.command(f"db load {len(data)}")
        lines: list[str] = []
        for start in range(0, len(data), _LOAD_BYTES):
            lines = self.command(f"db {data[start : start + _LOAD_BYTES].hex()}")
        if "m-load-done" not in lines:
            raise BoardError(f"the board took {len(data)} bytes but didn't say so; got {lines}")

    def load_features(self, features: ArrayLike) -> None:
        """Load a feature map, int8 (frames, bands), for `infer`."""
        self.load(np.asarray(features, np.int8).tobytes())

    def infer(self, runs: int = 1, warm_ups: int = 0) -> Inference:
        """Run the student on the buffer."""
        lines = self.command(f"infer {runs} {warm_ups}", self.timeout_s + (runs + warm_ups) * 2.0)
        start, end = self._laps(lines, 2, "infer")
        return self._inference(lines, end - start, "infer")

    def results(self) -> Inference:
        """Return the last outputs again."""
        return self._inference(self.command("results"), 0, "results")

    # Commands of kilohear.

    def set_rate(self, rate_hz: int) -> Rate:
        """Choose the nominal rate; return what the board makes of it."""
        return self._rate(self._set("rate", str(rate_hz)))

    def rate(self) -> Rate:
        """Return the rate."""
        return self._rate(self._one("rate", "rate"))

    def use(self, arithmetic: Literal["float32", "q15"]) -> None:
        """Choose the arithmetic of log-mel and FFT."""
        self._set("use", arithmetic)

    def source(self, kind: Literal["pdm", "adc"]) -> None:
        """Choose the digital or the analogue microphone."""
        self._set("source", kind)

    def line(self, powered: bool) -> None:
        """Choose whether the serial line keeps its power while the board listens.

        Without it the board can't be stopped: `listen` has to be given a number of windows.
        """
        self._set("line", "on" if powered else "off")

    def version(self) -> Version:
        """Return what firmware and student are on the board."""
        answers = self._answers("version")
        firmware = self._field(answers, "version", "version")
        slot, name, version, rate, card = self._split(answers, "student", 5, "version")
        if slot == "none":
            return Version(firmware, None)
        shape = [int(v) for v in self._split(answers, "shape", 7, "version")]
        samples, frames, bands, classes, window, hop, fft = shape
        labels = tuple(self._split(answers, "labels", classes, "version"))
        return Version(
            firmware,
            Student(slot, name, version, int(rate), card, samples, frames, bands, window, hop, fft,
                    labels),
        )  # fmt: skip

    def listen(self, windows: int) -> Iterator[Window | BoardEvent | Listened]:
        """Listen to `windows` windows back to back, 0 until `stop`; yield each as it comes.

        The last item is `Listened`. Leaving the loop early stops the board.
        """
        student = self.version().student
        length_s = student.samples / student.rate_hz if student else 0.0
        lines = self._lines(f"listen {windows}", 3 * length_s + 5 * self.timeout_s)
        parts: dict[str, str] = {}
        ended = False
        try:
            for line in lines:
                kind, text = self._answer(line, "listen")
                if kind.startswith("event-"):
                    yield self._event(kind, text)
                elif kind == "listened":
                    yield Listened(*self._numbers(text, 4, line))
                else:
                    parts[kind] = text
                    if kind == "cycles":
                        window, parts = self._window(parts), {}
                        yield window
            ended = True
        finally:
            if not ended:
                self._abandon(lines)

    def run_windows(
        self,
        windows: int,
        *,
        first: int = 0,
        reconnect_s: float = 10.0,
        attempts: int = 3,
        on_trouble: Callable[[BoardError], None] | None = None,
    ) -> Iterator[Window]:
        """Yield `windows` windows numbered from `first`, each as it is finished.

        Where the link is lost or the board resets, the port is opened again, the settings are
        restored and the run goes on with the windows that are missing: up to `attempts` times in
        a row without a window in between. `on_trouble` is told each time. Raises the last error,
        naming the windows that were finished and how to go on.
        """
        done, failures = 0, 0
        while done < windows:
            try:
                for item in self.listen(windows - done):
                    if isinstance(item, Window):
                        yield dataclasses.replace(item, index=first + done)
                        done, failures = done + 1, 0
                        if done == windows:
                            continue  # to take the end of the answer
            except (LinkLost, BoardReset) as error:
                failures += 1
                if on_trouble is not None:
                    on_trouble(error)
                if failures > attempts:
                    raise self._broken(error, first, done, windows) from error
                try:
                    self.reopen(reconnect_s)
                except BoardError as again:
                    raise self._broken(again, first, done, windows) from again

    def stream(self, samples: int) -> Stream:
        """Return samples from the microphone at the effective rate."""
        rate = self.rate()
        wait_s = 5 * self.timeout_s + (samples / rate.effective_hz if samples <= 16_384 else 0)
        lines = self.command(f"stream {samples}", wait_s)
        data = self._data(lines, "stream", 2, "stream")
        taken, overruns = self._numbers(self._in(lines, "streamed"), 2, "streamed")
        if len(data) != 2 * taken:
            raise BoardError(f"{taken} samples were sent and {len(data) // 2} came; stream again")
        return Stream(np.frombuffer(data, "<i2"), overruns)

    def fft(self, blocks: int) -> Fft:
        """Compute FFTs of 32 ms blocks from the microphone, the published workload."""
        lines = self.command(f"fft {blocks}", 0.032 * blocks * 1.5 + 5 * self.timeout_s)
        start, end = self._laps(lines, 2, "fft")
        points, count, peak, overruns = self._numbers(self._in(lines, "fft"), 4, "fft")
        cycles = self._named(self._in(lines, "cycles"))
        return Fft(points, count, peak, overruns, end - start, cycles)

    def frames(self, samples: ArrayLike) -> Frames:
        """Return the board's log-mel of samples, int16 (samples,), frame by frame."""
        self.load(np.asarray(samples, "<i2").tobytes())
        lines = self.command("frame", 30.0)
        (count,) = self._numbers(self._last(lines, "m-frames-"), 1, "frame")
        db = self._checked(lines, "frame", "frame")
        quantised = self._checked(lines, "quantised", "frame")
        if not len(db) == len(quantised) == count:
            raise BoardError(f"{count} frames were sent, {len(db)} and {len(quantised)} came")
        return Frames(
            np.stack([np.frombuffer(db[i], "<f4") for i in range(count)]),
            np.stack([np.frombuffer(quantised[i], np.int8) for i in range(count)]),
            self._named(self._in(lines, "cycles")),
        )

    def features(self) -> NDArray[np.int8]:
        """Return the last window's feature map, int8 (frames * bands,); or the buffer."""
        lines = self.command("features", 30.0)
        data = self._data(lines, "data", 1, "features")
        (size,) = self._numbers(self._last(lines, "m-data-end-"), 1, "features")
        if len(data) != size:
            raise BoardError(f"{size} bytes of features were sent, {len(data)} came; ask again")
        return np.frombuffer(data, np.int8)

    def sleep(self, milliseconds: int) -> int:
        """Let the board sleep deeply; return how long its timer says it did, microseconds."""
        lines = self.command(f"sleep {milliseconds}", milliseconds / 1000 * 1.2 + self.timeout_s)
        return self._numbers(self._in(lines, "sleep"), 2, "sleep")[1]

    def stats(self) -> Stats:
        """Return what the board has counted since its reset."""
        pairs = dict(pair.split("=", 1) for pair in self._one("stats", "stats").split(","))
        try:
            numbers = {k: int(v) for k, v in pairs.items() if k != "reset"}
            return Stats(reset=pairs["reset"], **numbers)
        except (TypeError, KeyError, ValueError):
            raise BoardError(f"the board's stats are {pairs}; flash this firmware again") from None

    def stop(self) -> None:
        """End what is under way; nothing where nothing is."""
        self.command("stop", 5.0)

    # The line.

    def command(self, text: str, timeout_s: float | None = None) -> list[str]:
        """Send a command; return the lines of its answer without the last `m-ready`.

        `timeout_s`: for each line.
        """
        return list(self._lines(text, timeout_s))

    def _lines(self, text: str, timeout_s: float | None = None) -> Iterator[str]:
        self._write(f"{text}%")
        refusal = None
        while (line := self._line(timeout_s, text)) != READY:
            if match := _REFUSED.match(line):
                # A line about lost bytes comes ahead of the answer to what arrived.
                refusal = refusal or match[1]
            else:
                yield line
        if refusal is not None:
            raise BoardRefused(text, refusal)

    def _write(self, text: str) -> None:
        if self._serial is None:
            raise LinkLost(f"the board at {self.port} isn't open; call open()")
        try:
            self._serial.write(text.encode("ascii"))
        except OSError as error:
            raise self._lost(error) from None

    def _line(self, timeout_s: float | None, command: str) -> str:
        """Return the next line; raises BoardReset where it is the board's greeting."""
        line = self._raw_line(self.timeout_s if timeout_s is None else timeout_s)
        if line is None:
            raise LinkLost(
                f"the board at {self.port} doesn't answer {command!r}; check the cable, "
                "press its reset button, or flash the firmware again"
            )
        if line.endswith("m-init-done"):
            self._greeting()
            raise BoardReset(self.last_reset or "unknown")
        return line

    def _raw_line(self, timeout_s: float) -> str | None:
        if self._serial is None:
            raise LinkLost(f"the board at {self.port} isn't open; call open()")
        try:
            self._serial.timeout = timeout_s
            data: bytes = self._serial.read_until(b"\n")
        except (OSError, TypeError) as error:  # TypeError: closed while it reads
            raise self._lost(error) from None
        if not data.endswith(b"\n"):
            return None
        return data.decode("ascii", "replace").strip("\r\n\0 ")

    def _lost(self, error: Exception) -> LinkLost:
        return LinkLost(
            f"the link to the board at {self.port} is lost: {error}; plug it in again and reopen"
        )

    def _greeting(self) -> None:
        """Take the rest of the board's greeting."""
        while (line := self._raw_line(self.timeout_s)) is not None and line != READY:
            if (match := _ANSWER.match(line)) and match[1] == "reset":
                self.last_reset = match[2]

    def _synchronise(self) -> None:
        """Bring the board to where it waits for a command, whatever it was at."""
        for _ in range(5):
            self._write("%")
            while (line := self._raw_line(0.7)) is not None:
                if line.endswith("m-init-done"):
                    self._greeting()
                    self._write("%")
                elif line == READY:
                    # Another one may be on its way: of what was under way, or of this command.
                    while self._raw_line(0.1) is not None:
                        pass
                    return
        raise LinkLost(
            f"what is at {self.port} doesn't answer at {BAUD} baud; check that it is the board "
            "and that this firmware is on it: kilohear board flash"
        )

    def _check_firmware(self) -> None:
        try:
            try:
                name = self.name()
            except BoardRefused as error:
                if error.cause != "uart":
                    raise
                self._synchronise()  # bytes were lost before this program came
                name = self.name()
            protocol = self.profile()[0]
        except BoardRefused as error:
            raise WrongFirmware(f"what is at {self.port} isn't this firmware: {error}") from None
        if name != NAME or protocol != PROTOCOL:
            raise WrongFirmware(
                f"the board at {self.port} runs {name!r} and speaks {protocol!r}; this program "
                f"needs {NAME!r} and {PROTOCOL!r}: kilohear board flash"
            )
        if self.firmware is not None:
            found = self.version().firmware
            if found != self.firmware:
                raise WrongFirmware(
                    f"the board at {self.port} runs firmware {found}, not {self.firmware}; "
                    "flash it: kilohear board flash"
                )

    def _abandon(self, lines: Iterator[str]) -> None:
        """Stop what is under way and take the rest of its answer; a lost link stays lost."""
        with contextlib.suppress(BoardError):
            self._write("%")
            for _ in lines:
                pass

    def _broken(self, error: BoardError, first: int, done: int, windows: int) -> BoardError:
        message = (
            f"{error}; {done} of {windows} windows were finished and are kept: go on with "
            f"run_windows({windows - done}, first={first + done})"
        )
        broken = LinkLost(message)
        if isinstance(error, WrongFirmware):
            broken = WrongFirmware(message)
        elif isinstance(error, BoardReset):
            broken = BoardReset(error.cause)
            broken.args = (message,)
        return broken

    # Answers.

    def _set(self, command: str, value: str) -> str:
        answer = self._one(f"{command} {value}", command)
        self._settings[command] = value
        return answer

    def _rate(self, text: str) -> Rate:
        nominal, effective, clock, sampled, by = self._parts(text, 5, "rate")
        try:
            return Rate(int(nominal), float(effective), float(clock), float(sampled), int(by))
        except ValueError:
            raise self._odd("rate", text) from None

    def _answer(self, line: str, command: str) -> tuple[str, str]:
        match = _ANSWER.match(line)
        if match is None:
            raise self._odd(command, line)
        return match[1], match[2]

    def _answers(self, command: str) -> dict[str, str]:
        return dict(self._answer(line, command) for line in self.command(command))

    def _field(self, answers: dict[str, str], kind: str, command: str) -> str:
        if kind not in answers:
            raise self._odd(command, str(answers))
        return answers[kind]

    def _one(self, command: str, kind: str) -> str:
        return self._field(self._answers(command), kind, command)

    def _in(self, lines: list[str], kind: str) -> str:
        for line in reversed(lines):
            if (match := _ANSWER.match(line)) and match[1] == kind:
                return match[2]
        raise self._odd(kind, str(lines[-3:]))

    def _last(self, lines: list[str], prefix: str) -> str:
        for line in reversed(lines):
            if line.startswith(prefix):
                return line[len(prefix) :].strip("[]")
        raise self._odd(prefix, str(lines[-3:]))

    def _parts(self, text: str, count: int, command: str) -> list[str]:
        parts = text.split(",")
        if len(parts) != count:
            raise self._odd(command, text)
        return parts

    def _split(self, answers: dict[str, str], kind: str, count: int, command: str) -> list[str]:
        return self._parts(self._field(answers, kind, command), count, command)

    def _numbers(self, text: str, count: int, command: str) -> list[int]:
        try:
            return [int(part) for part in self._parts(text, count, command)]
        except ValueError:
            raise self._odd(command, text) from None

    def _named(self, text: str) -> dict[str, int]:
        try:
            return {k: int(v) for k, v in (pair.split("=") for pair in text.split(","))}
        except ValueError:
            raise self._odd("cycles", text) from None

    def _laps(self, lines: list[str], count: int, command: str) -> list[int]:
        laps = [line[9:] for line in lines if line.startswith("m-lap-us-")]
        if len(laps) != count or not all(lap.isdigit() for lap in laps):
            raise self._odd(command, str(lines[:4]))
        return [int(lap) for lap in laps]

    def _outputs(self, results: str, logits: str) -> tuple[tuple[float, ...], tuple[int, ...]]:
        try:
            return (
                tuple(float(p) for p in results.split(",")),
                tuple(int(q) for q in logits.split(",")),
            )
        except ValueError:
            raise self._odd("results", f"{results} / {logits}") from None

    def _inference(self, lines: list[str], elapsed_us: int, command: str) -> Inference:
        outputs = self._outputs(self._in(lines, "results"), self._in(lines, "logits"))
        cycles = self._named(self._in(lines, "cycles")) if command == "infer" else {}
        return Inference(*outputs, elapsed_us, cycles)

    def _window(self, parts: dict[str, str]) -> Window:
        try:
            text = parts["window"]
            fields = text.split(",")
            # A label with commas comes with semicolons, so there are seven fields.
            index, label_index, label, start, end, done, overruns = fields
            outputs = self._outputs(parts["results"], parts["logits"])
            return Window(
                int(index), int(label_index), label, int(start), int(end), int(done),
                int(overruns), *outputs, int(parts["features"], 16), self._named(parts["cycles"]),
            )  # fmt: skip
        except (KeyError, ValueError):
            raise self._odd("listen", str(parts)) from None

    def _event(self, kind: str, text: str) -> BoardEvent:
        try:
            label, probability, start, *end = text.split(",")
            return BoardEvent(label, float(probability), int(start), int(end[0]) if end else None)
        except ValueError:
            raise self._odd(kind, text) from None

    def _checked(self, lines: list[str], kind: str, command: str) -> dict[int, bytes]:
        """Return the data of the checked lines of a kind, by offset."""
        found = {}
        for line in lines:
            if not line.startswith(f"m-{kind}-"):
                continue
            match = _DATA.match(line)
            if match is None:
                continue
            if zlib.crc32(line.rpartition("-")[0].encode()) != int(match[4], 16):
                raise BoardError(
                    f"a line of {command!r} arrived damaged (its CRC doesn't match): "
                    f"{line[:40]}...; repeat the command, or use a shorter cable"
                )
            found[int(match[2])] = bytes.fromhex(match[3])
        return found

    def _data(self, lines: list[str], kind: str, item_bytes: int, command: str) -> bytes:
        """Return the checked lines' data as one, refusing a gap."""
        data = bytearray()
        for offset, part in self._checked(lines, kind, command).items():
            if offset * item_bytes != len(data):
                raise BoardError(
                    f"{command!r} misses items from {len(data) // item_bytes} on (the next line "
                    f"begins at {offset}); repeat the command"
                )
            data += part
        return bytes(data)

    def _odd(self, command: str, text: str) -> BoardError:
        return BoardError(
            f"the board's answer to {command!r} isn't understood: {text[:200]}; "
            "another firmware is on it, or a line was damaged: repeat, or flash it again"
        )
