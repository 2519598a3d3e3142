"""Objective-C on a phone, through pyobjus: what it leaves to its callers.

Conventions are those of pyobjus 1.2.4: a method's name is its selector with `_` for `:`, nil is
None, and an `NSError **` can only be given None, so that an error's text isn't to be had.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kilohear import extras


class Objc:
    """The classes of the system's frameworks.

    Parameters
    ----------
    pyobjus
        The module; None: the one that is installed.
    runtime
        Objective-C's runtime; None: this process's.

    Raises
    ------
    ExtraError
        Where pyobjus isn't installed.
    """

    # pyobjus keeps a call's receiver in an object that all threads share.
    _one_at_a_time = threading.RLock()

    def __init__(self, pyobjus: Any = None, runtime: ctypes.CDLL | None = None) -> None:
        if pyobjus is None:
            pyobjus = extras.load("pyobjus")
            extras.load("pyobjus.dylib_manager")  # then it is an attribute
        self._pyobjus = pyobjus
        self._runtime = runtime or ctypes.CDLL(None)
        self._runtime.objc_autoreleasePoolPush.restype = ctypes.c_void_p
        self._runtime.objc_autoreleasePoolPop.argtypes = [ctypes.c_void_p]
        self._runtime.objc_autoreleasePoolPop.restype = None

    @contextmanager
    def calls(self) -> Iterator[None]:
        """Give a pool for what calls autorelease: a thread of Python's has none, and would leak.

        Only one thread is in here at a time.
        """
        with self._one_at_a_time:
            pool = self._runtime.objc_autoreleasePoolPush()
            try:
                yield
            finally:
                self._runtime.objc_autoreleasePoolPop(pool)

    def load(self, framework: str, *names: str) -> tuple[Any, ...]:
        """Return classes by name, their framework loaded: an app needn't link it."""
        path = f"/System/Library/Frameworks/{framework}.framework"
        self._pyobjus.dylib_manager.load_framework(path)
        return tuple(self._pyobjus.autoclass(name) for name in names)


def read(instance: Any, name: str) -> Any:
    """Return a property.

    pyobjus makes it an attribute where an object's own class declares it, and a method where a
    superclass does; which one of a class cluster an object belongs to is the system's affair.
    """
    value = getattr(instance, name)
    return value() if callable(value) else value


def text(string: Any) -> str:
    """Return an NSString; pyobjus decodes only some of its classes."""
    value = read(string, "UTF8String")
    return value.decode() if isinstance(value, bytes) else value


def items(array: Any) -> list[Any]:
    """Return the items of an NSArray."""
    return [array.objectAtIndex_(i) for i in range(read(array, "count"))]
