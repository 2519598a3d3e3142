"""Core ML on an iPhone or iPad, through pyobjus.

Written against Apple's and pyobjus's sources, and run against a stand-in for both; no iPhone has
run it yet.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kilohear.errors import BackendError
from kilohear.files import cache_root, hash_files
from kilohear.objc import Objc, items, read, text

# MLModelConfiguration.h, MLMultiArray.h
_CPU_ONLY = 0
_FLOAT32 = 0x10000 | 32
_DTYPES = {0x10000 | 16: np.float16, _FLOAT32: np.float32, 0x10000 | 64: np.float64}


class IosBackend:
    """Run an .mlpackage; see `kilohear.backends.open_backend`.

    On the CPU: iOS refuses the GPU to an app in the background, and the students are small. Core ML
    chooses its threads itself, whatever `threads` is. The package is compiled at first use and kept
    in the app's cache, by its content and the system's version.

    Parameters
    ----------
    objc
        Objective-C; None: the system's.
    """

    runtime = "coreml"

    def __init__(self, file: Path, threads: int = 1, objc: Objc | None = None) -> None:
        self._objc = objc or Objc()
        with self._objc.calls():
            (processes,) = self._objc.load("Foundation", "NSProcessInfo")
            system = read(processes.processInfo(), "operatingSystemVersionString")
            self.version = f"iOS {text(system)}"
            self._model = self._loaded(file)
            description = read(self._model, "modelDescription")
            name, taken = _only(file, read(description, "inputDescriptionsByName"))
            self._output, _ = _only(file, read(description, "outputDescriptionsByName"))
            self._features, self._waveform = self._made(file, name, taken)
        self._layout: tuple[type, tuple[int, ...], tuple[int, ...]] | None = None

    def run(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (1, classes) of the waveform (1, samples)."""
        if waveform.shape != self._waveform.shape:
            raise self._cannot_run(waveform, f"it takes {self._waveform.shape}")
        with self._objc.calls():
            self._waveform[:] = waveform
            given = self._model.predictionFromFeatures_error_(self._features, None)
            if given is None:
                raise self._cannot_run(waveform, "Core ML gives no reason")
            value = given.featureValueForName_(self._output)
            array = None if value is None else read(value, "multiArrayValue")
            if array is None:
                raise self._cannot_run(waveform, f"it gives no array {self._output!r}")
            return np.array(self._view_of(array), np.float32)

    def _loaded(self, file: Path) -> Any:
        """Load the model compiled before, or compile it: the system may clear a part of a cache."""
        models, configurations = self._objc.load("CoreML", "MLModel", "MLModelConfiguration")
        (urls,) = self._objc.load("Foundation", "NSURL")
        configuration = configurations.alloc().init()
        configuration.setComputeUnits_(_CPU_ONLY)

        def loaded(compiled: Path) -> Any:
            url = urls.fileURLWithPath_(str(compiled))
            return models.modelWithContentsOfURL_configuration_error_(url, configuration, None)

        if not file.is_dir():
            raise self._cannot_load(file, "it is no package")
        kept = self._kept(file)
        model = loaded(kept) if kept.is_dir() else None
        if model is None:
            shutil.rmtree(kept, ignore_errors=True)
            url = models.compileModelAtURL_error_(urls.fileURLWithPath_(str(file)), None)
            if url is None:
                raise self._cannot_load(file, "it can't be compiled; Core ML gives no reason")
            model = loaded(_moved(Path(text(read(url, "path"))), kept))
        if model is None:
            raise self._cannot_load(file, "Core ML gives no reason")
        return model

    def _kept(self, file: Path) -> Path:
        content = [self.version, hash_files(file.parent, (file.name,))]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return cache_root() / "coreml" / f"{digest[:16]}.mlmodelc"

    def _made(self, file: Path, name: str, taken: Any) -> tuple[Any, NDArray[np.float32]]:
        """Make the features once, as pyobjus keeps what it allocates, and a view of their array."""
        arrays, values, providers = self._objc.load(
            "CoreML", "MLMultiArray", "MLFeatureValue", "MLDictionaryFeatureProvider"
        )
        (dictionaries,) = self._objc.load("Foundation", "NSDictionary")
        wanted = read(taken, "multiArrayConstraint")
        if wanted is None:
            raise self._cannot_load(file, f"its input {name!r} is no array")
        shape = read(wanted, "shape")
        array = arrays.alloc().initWithShape_dataType_error_(shape, _FLOAT32, None)
        value = values.featureValueWithMultiArray_(array)
        dictionary = dictionaries.dictionaryWithObject_forKey_(value, name)
        features = providers.alloc().initWithDictionary_error_(dictionary, None)
        if features is None:
            raise self._cannot_load(file, f"no features can be made for its input {name!r}")
        # The array that the provider holds, should it have made its own.
        held = read(features.featureValueForName_(name), "multiArrayValue")
        return features, _view(held, np.float32, _numbers(shape), None)

    def _view_of(self, array: Any) -> NDArray[Any]:
        if self._layout is None:  # the model's: it needn't be asked for again
            kind = read(array, "dataType")
            if kind not in _DTYPES:
                raise BackendError(
                    f"Core ML on {self.version} gives numbers of the type {kind:#x}, not of "
                    "float16, float32 or float64; export the bundle again"
                )
            strides = _numbers(read(array, "strides"))
            self._layout = _DTYPES[kind], _numbers(read(array, "shape")), strides
        return _view(array, *self._layout)

    def _cannot_load(self, file: Path, why: str) -> BackendError:
        return BackendError(
            f"{file}: Core ML on {self.version} can't load it ({why}); export the bundle again"
        )

    def _cannot_run(self, waveform: NDArray[np.float32], why: str) -> BackendError:
        return BackendError(
            f"Core ML on {self.version} can't run the file on a waveform of shape "
            f"{waveform.shape} ({why}); export the bundle again"
        )


def _only(file: Path, descriptions: Any) -> tuple[str, Any]:
    """Return the name and the description of a model's only input or output."""
    names = [text(key) for key in items(descriptions.allKeys())]
    if len(names) != 1:
        raise BackendError(
            f"{file}: has {len(names)} inputs or outputs ({', '.join(names)}), not one; export the "
            "bundle again"
        )
    return names[0], descriptions.objectForKey_(names[0])


def _moved(made: Path, kept: Path) -> Path:
    """Move what the system compiled into the cache; where that fails it serves as it lies."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        return made.rename(kept)
    except OSError:
        return made


def _numbers(array: Any) -> tuple[int, ...]:
    return tuple(read(number, "longLongValue") for number in items(array))


def _view(
    array: Any, dtype: type, shape: tuple[int, ...], strides: tuple[int, ...] | None
) -> NDArray[Any]:
    """Return an MLMultiArray's memory; strides are in numbers, None: they lie side by side."""
    itemsize = np.dtype(dtype).itemsize
    if strides is None:
        strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    reach = 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    address = read(array, "dataPointer").arg_ref
    memory = memoryview((ctypes.c_byte * (reach * itemsize)).from_address(address))
    return np.ndarray(shape, dtype, memory, strides=tuple(itemsize * step for step in strides))
