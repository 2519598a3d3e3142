"""What every part for Android needs: Java's classes by pyjnius, the app's context, permissions.

Nothing here has run on a phone yet: it is tested on a desktop's JVM, against classes with the
signatures of Android's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from kilohear import extras
from kilohear.errors import AudioError

_OWNERS = (
    ("org.kivy.android.PythonActivity", "mActivity"),
    ("org.kivy.android.PythonService", "mService"),
)
"""Where python-for-android keeps the activity and the service; each process has one of them."""

T = TypeVar("T")


def java(name: str) -> Any:
    """Return a Java class; raises `java_error()` where there is none.

    A class of the app itself, none of Android's, is found in threads that Java started only, like
    the app's main thread. Once found it can be used in any thread.
    """
    return extras.load("jnius").autoclass(name)


def java_error() -> type[Exception]:
    """Return what every Java exception becomes in Python."""
    return extras.load("jnius").JavaException


def why(error: Exception) -> str:
    """Return a Java exception's class and message on one line, without its stack."""
    name = (getattr(error, "classname", None) or "").rpartition(".")[2]
    message = (getattr(error, "innermessage", None) or "").partition("\n")[0]
    return ": ".join(filter(None, (name, message))) or str(error).partition("\n")[0]


def sdk_level() -> int:
    """Return the phone's API level: 34 is Android 14."""
    return java("android.os.Build$VERSION").SDK_INT


def app() -> Any:
    """Return the activity or the service that this Python runs in.

    Raises
    ------
    AudioError
        Where there is none, or where it is looked for in a thread that Python started.
    """
    reasons = []
    for name, field in _OWNERS:
        try:
            owner = getattr(java(name), field)
        except java_error() as error:
            reasons.append(why(error))
            continue
        if owner is not None:
            return owner
        reasons.append(f"{name}.{field} is null")
    raise AudioError(
        f"no Android app is around this Python ({'; '.join(reasons)}); run it by "
        "python-for-android and make the listener in the app's main thread"
    )


def is_granted(context: Any, permission: str) -> bool:
    """Whether the app has a permission now: `RECORD_AUDIO` and the like."""
    granted = java("android.content.pm.PackageManager").PERMISSION_GRANTED
    return context.checkSelfPermission(f"android.permission.{permission}") == granted


def in_app(work: Callable[[], T]) -> Callable[[], T]:
    """Return `work` for calls from any thread; make it in the app's main thread.

    JNI looks for a class with the loader of the Java method it was called by. In a thread that
    Python started there is none, and no class of the app is found: not by pyjnius either, which
    looks the element's class up for every array it passes, `EValue[]` for one. So the call takes a
    turn through Java, where pyjnius's own class is the caller.
    """
    jnius = extras.load("jnius")
    task = jnius.autoclass("java.util.concurrent.FutureTask")
    outcome: list[T | Exception] = []

    class Job(jnius.PythonJavaClass):
        __javainterfaces__ = ("java/lang/Runnable",)

        @jnius.java_method("()V")
        def run(self) -> None:
            # pyjnius would print an exception and forget it.
            try:
                outcome.append(work())
            except Exception as error:
                outcome.append(error)

    job = Job()

    def call() -> T:
        task(job, None).run()
        result = outcome.pop()
        if isinstance(result, Exception):
            raise result
        return result

    return call
