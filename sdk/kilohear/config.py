"""Frozen dataclasses from and to JSON: unknown keys, missing keys and wrong types are refused."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from kilohear.errors import ConfigError
from kilohear.files import write_text

T = TypeVar("T")


def from_dict(cls: type[T], data: object, where: str = "") -> T:
    """Build the dataclass `cls` from plain JSON data.

    Parameters
    ----------
    cls
        A dataclass whose fields are JSON scalars, literals, tuples, dicts or dataclasses of those.
    data
        What `json.loads` returned.
    where
        Where the data came from; starts every error message.

    Raises
    ------
    ConfigError
        Naming the key, its value and what was expected.
    """
    where = where or cls.__name__
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: expected an object with keys, got {data!r}")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - set(fields))
    if unknown:
        raise ConfigError(
            f"{where}: unknown key {unknown[0]!r}; the known keys are {', '.join(sorted(fields))}"
        )
    missing = [
        name
        for name, field in fields.items()
        if name not in data
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: the key {missing[0]!r} is missing; add it")
    values = {name: _convert(hints[name], data[name], f"{where}: {name}") for name in data}
    return cls(**values)


def to_dict(config: Any) -> dict[str, Any]:
    """Return the dataclass as plain data that `json.dumps` takes."""
    return dataclasses.asdict(config)


def to_json(config: Any) -> str:
    """Return the dataclass as indented JSON text with a final newline."""
    return json.dumps(to_dict(config), indent=2) + "\n"


def load_json(cls: type[T], path: Path) -> T:
    """Read `path` as JSON into the dataclass `cls`; raises ConfigError naming the path."""
    return from_dict(cls, read_json(path), str(path))


def read_json(path: Path) -> Any:
    """Read a JSON file; raises ConfigError where it is missing or malformed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; check the path") from None
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, a number too long, too deep
        raise ConfigError(f"{path}: not valid JSON ({error}); restore or remake the file") from None


def save_json(config: Any, path: Path) -> None:
    """Write the dataclass to `path` as JSON, atomically."""
    write_text(path, to_json(config))


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _convert_union(arguments, value, where)
    if origin is typing.Literal:
        if value not in arguments:
            choices = ", ".join(repr(choice) for choice in arguments)
            raise ConfigError(f"{where} is {value!r}; use one of {choices}")
        return value
    if origin is tuple:
        return _convert_tuple(arguments, value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} is {value!r}; expected an object with keys")
        return {key: _convert(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        is_built = isinstance(value, typing.cast(type, hint))
        return value if is_built else from_dict(typing.cast(type, hint), value, where)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise ConfigError(f"{where} is {value!r:.40}; expected a finite number")
        return number
    if (isinstance(value, bool) and hint is not bool) or not isinstance(value, hint):
        raise ConfigError(f"{where} is {value!r}; expected {hint.__name__}")
    return value


def _convert_union(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and types.NoneType in arguments:
        return None
    error = ConfigError(f"{where} is {value!r}; expected {arguments}")
    for argument in arguments:
        if argument is types.NoneType:
            continue
        try:
            return _convert(argument, value, where)
        except ConfigError as refused:
            error = refused
    raise error


def _convert_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} is {value!r}; expected a list")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        hints: tuple[Any, ...] = (arguments[0],) * len(value)
    else:
        hints = arguments
    if len(hints) != len(value):
        raise ConfigError(f"{where} has {len(value)} items; expected {len(hints)}")
    items = zip(hints, value, strict=True)
    return tuple(_convert(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(items))
