"""Stand-ins for an iPhone: apple.c driven from Python, and objects as pyobjus gives them.

Of pyobjus 1.2.4 is kept: a method's name is its selector with `_` for `:` and takes all of its
arguments; properties are attributes, or methods where a superclass declares them; an NSString that
is given may be a str, one that is returned isn't; an `NSError **` is None; what is allocated is
initialised by a second call; a pointer has its address in `arg_ref`.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear.objc import Objc

# The same numbers as in apple.c.
SOUND, ZEROS, JUMP, INTERRUPT, WAIT, INVALIDATE, FORGET_TIME, NO_TIME = range(8)
NEW_INPUT, ALLOCATE, ENQUEUE, START, LISTEN = range(5)
QUEUES, BUFFERS, THREADS, DIRTY, POOLS = range(5)


def compile_toolbox(folder: Path) -> ctypes.CDLL:
    """Compile apple.c and load it."""
    library = folder / "apple.so"
    source = Path(__file__).with_name("apple.c")
    command = ["gcc", "-O1", "-shared", "-fPIC", "-pthread", str(source), "-o", str(library), "-lm"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return ctypes.CDLL(str(library))


class Phone:
    """A phone by script.

    Parameters
    ----------
    toolbox
        As `compile_toolbox` returns it.
    """

    def __init__(self, toolbox: ctypes.CDLL) -> None:
        self.toolbox = toolbox
        toolbox.stand_in_rates.argtypes = toolbox.stand_in_times.argtypes = [ctypes.c_double] * 2
        toolbox.stand_in_answers.argtypes = [ctypes.c_char_p, ctypes.c_bool]
        toolbox.stand_in_reset()
        self.answer()
        self.messages()
        self.session = Session()
        self.pyobjus = Pyobjus(AVAudioSession=SimpleNamespace(sharedInstance=lambda: self.session))
        self.objc = Objc(self.pyobjus, toolbox)

    def act(self, *steps: tuple[int, int] | int) -> None:
        """Add what the next queue does; a step without a number has 0."""
        pairs = [step if isinstance(step, tuple) else (step, 0) for step in steps]
        row = ctypes.c_int * len(pairs)
        kinds, values = zip(*pairs, strict=True)
        self.toolbox.stand_in_act(row(*kinds), row(*values), len(pairs))

    def wait(self) -> None:
        """Return once the queue is at a WAIT."""
        self.toolbox.stand_in_await()

    def proceed(self) -> None:
        """End a WAIT."""
        self.toolbox.stand_in_proceed()

    def fail(self, function: int, status: int) -> None:
        """Let a function fail once."""
        self.toolbox.stand_in_fail(function, status)

    def rates(self, lowest: float, reported: float = 0.0) -> None:
        """Refuse lower rates; report another one than was asked for, where one is given."""
        self.toolbox.stand_in_rates(lowest, reported)

    def times(self, per_sample: float, wobble: float = 0.0) -> None:
        """Count sample times in other units, and let them wobble by so many samples."""
        self.toolbox.stand_in_times(per_sample, wobble)

    def answer(self, blocks: bool = False, nil: str = "") -> None:
        """Give blocks this value; let the method of this selector return nil."""
        self.toolbox.stand_in_answers(nil.encode(), blocks)

    def messages(self) -> list[str]:
        """Return what was sent by `Objc.send` since the last call: [receiver selector ...]."""
        text = ctypes.create_string_buffer(16 * 4096)
        self.toolbox.stand_in_messages(text)
        return text.value.decode().splitlines()

    def count(self, what: int) -> int:
        """Return how many there are, of DIRTY how many there have been."""
        return self.toolbox.stand_in_count(what)


def sine(samples: int, rate_hz: int = 8_000, start: int = 0) -> NDArray[np.float32]:
    """Return what SOUND gives, (samples,)."""
    time_s = (start + np.arange(samples)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * 200 * time_s)).astype(np.float32)


class Pyobjus:
    """The module, with some classes."""

    def __init__(self, **classes: Any) -> None:
        self.classes = classes
        self.frameworks: set[str] = set()
        self.dylib_manager = SimpleNamespace(load_framework=self.frameworks.add)

    def autoclass(self, name: str) -> Any:
        return self.classes[name]


class String:
    """An NSString; pyobjus gives its text as bytes or as a str."""

    def __init__(self, value: str, is_bytes: bool = True) -> None:
        self.value, self.is_bytes = value, is_bytes

    def UTF8String(self) -> bytes | str:  # noqa: N802
        return self.value.encode() if self.is_bytes else self.value


class Array:
    """An NSArray."""

    def __init__(self, *items: Any) -> None:
        self.items = items

    def count(self) -> int:
        return len(self.items)

    def objectAtIndex_(self, index: int) -> Any:  # noqa: N802
        return self.items[index]


class Number:
    """An NSNumber."""

    def __init__(self, value: int) -> None:
        self.value = value

    def longLongValue(self) -> int:  # noqa: N802
        return self.value


class Session:
    """An AVAudioSession."""

    def __init__(self) -> None:
        self.recordPermission = _code("grnt")
        self.sampleRate = 48_000.0
        self.ports = ["Built-in"]
        self.is_input_available = True
        self.category_refused = False
        self.activations: list[bool] = []  # how the next ones end; then they succeed
        self.set: dict[str, Any] = {}

    def permit(self, permission: str) -> None:
        self.recordPermission = _code(permission)

    @property
    def currentRoute(self) -> Any:  # noqa: N802
        ports = [
            SimpleNamespace(UID=String(f"{name} 1"), portName=String(name)) for name in self.ports
        ]
        return SimpleNamespace(inputs=Array(*ports))

    def isInputAvailable(self) -> bool:  # noqa: N802
        return self.is_input_available

    def setCategory_mode_options_error_(  # noqa: N802
        self, category: str, mode: str, options: int, error: None
    ) -> bool:
        _require_none(error)
        self.set |= {"category": category, "mode": mode, "options": options}
        return not self.category_refused

    def setPreferredSampleRate_error_(self, rate_hz: float, error: None) -> bool:  # noqa: N802
        _require_none(error)
        assert isinstance(rate_hz, float)
        self.set["rate_hz"] = rate_hz
        return False  # a phone may refuse

    def setActive_error_(self, active: bool, error: None) -> bool:  # noqa: N802
        _require_none(error)
        if active and self.activations and not self.activations.pop(0):
            return False
        self.set["active"] = active
        return True

    def setActive_withOptions_error_(  # noqa: N802
        self, active: bool, options: int, error: None
    ) -> bool:
        self.set["others_are_told"] = options == 1
        return self.setActive_error_(active, error)


class Allocated:
    """A class whose instances are allocated first and initialised then."""

    def __init__(self, **initialisers: Callable[..., Any]) -> None:
        self.instance = SimpleNamespace(**initialisers)

    def alloc(self) -> Any:
        return self.instance


class MultiArray:
    """An MLMultiArray of numbers; its rows lie `stride` numbers apart."""

    def __init__(self, shape: tuple[int, int], dtype: type = np.float32, stride: int = 0) -> None:
        self.memory = np.zeros((shape[0], stride or shape[1]), dtype)
        self.shape = Array(*map(Number, shape))
        self.strides = Array(Number(self.memory.shape[1]), Number(1))
        self.dataType = 0x10000 | 8 * self.memory.itemsize
        self.dataPointer = SimpleNamespace(arg_ref=self.memory.ctypes.data)


class CoreML:
    """Core ML with one model: probabilities (1, 2) of a loud and of a quiet waveform.

    Attributes
    ----------
    compiled
        Files in the order in which they were compiled.
    loads
        Whether a compiled model can be loaded.
    """

    def __init__(self, folder: Path, samples: int) -> None:
        self.folder, self.samples = folder, samples
        self.compiled: list[Path] = []
        self.loads: Callable[[Path], bool] = Path.is_dir
        self.compiles = self.predicts = True
        self.inputs, self.outputs = ["sound"], ["share"]
        self.output = MultiArray((1, 2))
        self.computes_on: int | None = None
        self.features: list[Any] = []

    def pyobjus(self) -> Pyobjus:
        processes = SimpleNamespace(
            processInfo=lambda: SimpleNamespace(operatingSystemVersionString=String("Version 1"))
        )
        configuration = SimpleNamespace(setComputeUnits_=self._compute_on)
        return Pyobjus(
            NSProcessInfo=processes,
            NSURL=SimpleNamespace(fileURLWithPath_=lambda path: SimpleNamespace(path=path)),
            NSDictionary=SimpleNamespace(dictionaryWithObject_forKey_=lambda it, key: {key: it}),
            MLModelConfiguration=Allocated(init=lambda: configuration),
            MLModel=SimpleNamespace(
                compileModelAtURL_error_=self._compile,
                modelWithContentsOfURL_configuration_error_=self._load,
            ),
            MLMultiArray=Allocated(initWithShape_dataType_error_=self._array),
            MLFeatureValue=SimpleNamespace(
                featureValueWithMultiArray_=lambda array: SimpleNamespace(multiArrayValue=array)
            ),
            MLDictionaryFeatureProvider=Allocated(initWithDictionary_error_=self._provide),
        )

    def _compute_on(self, units: int) -> None:
        self.computes_on = units

    def _compile(self, url: Any, error: None) -> Any:
        _require_none(error)
        self.compiled.append(Path(url.path))
        if not self.compiles:
            return None
        made = self.folder / f"{len(self.compiled)}.mlmodelc"
        shutil.copytree(url.path, made)
        return SimpleNamespace(path=String(str(made)))

    def _load(self, url: Any, configuration: Any, error: None) -> Any:
        _require_none(error)
        if not self.loads(Path(url.path)):
            return None
        shape = Array(Number(1), Number(self.samples))
        constraint = SimpleNamespace(shape=shape)
        description = SimpleNamespace(
            inputDescriptionsByName=_descriptions(self.inputs, constraint),
            outputDescriptionsByName=_descriptions(self.outputs, None),
        )
        return SimpleNamespace(
            modelDescription=description, predictionFromFeatures_error_=self._predict
        )

    def _array(self, shape: Array, kind: int, error: None) -> MultiArray:
        _require_none(error)
        assert kind == 0x10000 | 32
        rows, columns = (number.longLongValue() for number in shape.items)
        return MultiArray((rows, columns))

    def _provide(self, values: dict[str, Any], error: None) -> Any:
        _require_none(error)
        self.features.append(values)
        return SimpleNamespace(featureValueForName_=values.get)

    def _predict(self, features: Any, error: None) -> Any:
        _require_none(error)
        if not self.predicts:
            return None
        waveform = features.featureValueForName_("sound").multiArrayValue.memory
        loud = min(1.0, float(np.abs(waveform).max()))
        self.output.memory[0, :2] = loud, 1 - loud
        value = SimpleNamespace(multiArrayValue=self.output)
        return SimpleNamespace(featureValueForName_={"share": value}.get)


def _descriptions(names: list[str], constraint: Any) -> Any:
    value = SimpleNamespace(multiArrayConstraint=constraint)
    return SimpleNamespace(
        allKeys=lambda: Array(*map(String, names)), objectForKey_=lambda name: value
    )


def _code(four: str) -> int:
    return int.from_bytes(four.encode(), "big")


def _require_none(error: None) -> None:
    assert error is None, "pyobjus gives nil for None and fails for anything else"
