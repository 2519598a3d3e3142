"""Objective-C on a phone, through pyobjus: what it leaves to its callers.

Conventions are those of pyobjus 1.2.4: a method's name is its selector with `_` for `:`, nil is
None, and an `NSError **` can only be given None, so that an error's text isn't to be had. It passes
no blocks, and of a nil in a block's place it writes one half: `Objc.send` calls such methods.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kilohear import extras

_BLOCK_IS_GLOBAL = 1 << 28
"""Of a block's flags: it captures nothing, so that nobody copies or frees it."""


class _Descriptor(ctypes.Structure):
    _fields_ = (("reserved", ctypes.c_ulong), ("size", ctypes.c_ulong))


class _Literal(ctypes.Structure):
    """A block as clang lays it out: clang.llvm.org/docs/Block-ABI-Apple.html."""

    _fields_ = (
        ("isa", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("reserved", ctypes.c_int),
        ("invoke", ctypes.c_void_p),
        ("descriptor", ctypes.POINTER(_Descriptor)),
    )


class Block:
    """A block that takes a BOOL and calls `function`; keep it for as long as it may be called."""

    def __init__(self, function: Callable[[bool], None], isa: int) -> None:
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_bool)
        self._invoke = kind(lambda _block, value: function(value))
        self._descriptor = _Descriptor(0, ctypes.sizeof(_Literal))
        self._literal = _Literal(
            isa,
            _BLOCK_IS_GLOBAL,
            0,
            ctypes.cast(self._invoke, ctypes.c_void_p),
            ctypes.pointer(self._descriptor),
        )

    @property
    def address(self) -> int:
        """Where it lies."""
        return ctypes.addressof(self._literal)


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
        for name in ("objc_getClass", "sel_registerName"):
            function = getattr(self._runtime, name)
            function.argtypes, function.restype = [ctypes.c_char_p], ctypes.c_void_p

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

    def block(self, function: Callable[[bool], None]) -> Block:
        """Return a block for `send`; the system calls it in whatever thread it likes."""
        isa = ctypes.c_void_p.in_dll(self._runtime, "_NSConcreteGlobalBlock")
        return Block(function, ctypes.addressof(isa))

    def send(self, receiver: str | int, selector: str, *arguments: Argument) -> int | None:
        """Send a message without pyobjus, inside of `calls`; return the object it returns.

        Parameters
        ----------
        receiver
            A class's name, or an object that `send` returned.
        selector
            With its colons; the method returns an object or nothing.
        arguments
            Objects and None, blocks, bool for BOOL, str for `const char *`.
        """
        if isinstance(receiver, str):
            receiver = self._runtime.objc_getClass(receiver.encode())
        kinds, values = zip(*map(_c_argument, arguments), strict=True) if arguments else ((), ())
        # One prototype a call: on ARM a variadic one would pass arguments elsewhere.
        void = ctypes.c_void_p
        prototype = ctypes.CFUNCTYPE(void, void, void, *kinds)
        message = prototype(("objc_msgSend", self._runtime))
        return message(receiver, self._runtime.sel_registerName(selector.encode()), *values)


Argument = int | bool | str | Block | None
"""What `Objc.send` passes on."""


def _c_argument(argument: Argument) -> tuple[Any, Any]:
    """Return an argument's C type and value."""
    if isinstance(argument, bool):
        return ctypes.c_bool, argument
    if isinstance(argument, str):
        return ctypes.c_char_p, argument.encode()
    return ctypes.c_void_p, argument.address if isinstance(argument, Block) else argument


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
