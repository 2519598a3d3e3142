"""The foreground service that Android asks of an app that listens while it isn't on the screen.

It hasn't run on a phone yet: it is tested on a desktop's JVM, against classes with the signatures
of Android's.
"""

from __future__ import annotations

from typing import Any

from kilohear import android
from kilohear.errors import AudioError, PermissionRefused

_NEEDED = ((23, "RECORD_AUDIO"), (28, "FOREGROUND_SERVICE"), (34, "FOREGROUND_SERVICE_MICROPHONE"))
"""Permissions, each with the API level that asks for it first."""

_ON_SCREEN = "start the service while the app is on the screen, and grant the microphone first"
_ADVICE = {
    "android.app.ForegroundServiceStartNotAllowedException": _ON_SCREEN,
    "java.lang.SecurityException": _ON_SCREEN,
}
_MANIFEST = (
    "declare its type in buildozer.spec: services = "
    "NAME:FILE.py:foreground:sticky:foregroundServiceType=microphone"
)


def start_in_foreground(
    title: str, text: str, channel: str = "kilohear", notification: int = 1
) -> None:
    """Keep this service listening while the app is out of sight, with a notification that says so.

    Call it first thing in the service's main thread, and before a listener is made. From Android 9
    on a microphone gives silence to an app in the background that has no such service; from
    Android 14 on it must have the type microphone, and start while the app is on the screen
    (developer.android.com, "Foreground services").

    Parameters
    ----------
    title, text
        What the notification says; a tap on it opens the app.
    channel
        The notification's channel, made where it isn't there yet; people see its name.
    notification
        The notification's number, above 0; python-for-android's own is 1 for the first service.

    Raises
    ------
    PermissionRefused
        Where the microphone isn't allowed.
    AudioError
        Where no service runs, another permission is missing, or Android doesn't allow the start.
    ExtraError
        Where pyjnius isn't installed.
    """
    try:
        service = android.java("org.kivy.android.PythonService").mService
    except android.java_error() as error:
        raise AudioError(_no_service(android.why(error))) from None
    if service is None:
        raise AudioError(_no_service("PythonService.mService is null"))
    level = android.sdk_level()
    for since, permission in _NEEDED:
        if level >= since and not android.is_granted(service, permission):
            kind = PermissionRefused if permission == "RECORD_AUDIO" else AudioError
            raise kind(
                f"the service can't listen: the permission {permission} isn't granted; name it in "
                "android.permissions of buildozer.spec, and ask for RECORD_AUDIO in the app"
            )
    try:
        _start(service, level, _notification(service, level, channel, title, text), notification)
    except android.java_error() as error:
        advice = _ADVICE.get(getattr(error, "classname", None) or "", _MANIFEST)
        raise AudioError(
            f"Android doesn't let the service listen ({android.why(error)}); {advice}"
        ) from None


def _start(service: Any, level: int, notification: Any, number: int) -> None:
    if level < 30:  # the type microphone is of API level 30
        service.startForeground(number, notification)
        return
    kind = android.java("android.content.pm.ServiceInfo").FOREGROUND_SERVICE_TYPE_MICROPHONE
    service.startForeground(number, notification, kind)


def _notification(service: Any, level: int, channel: str, title: str, text: str) -> Any:
    maker = android.java("android.app.Notification$Builder")
    if level >= 26:
        name = android.java("android.content.Context").NOTIFICATION_SERVICE
        manager = service.getSystemService(name)
        made = android.java("android.app.NotificationChannel")
        manager.createNotificationChannel(made(channel, channel, manager.IMPORTANCE_LOW))
        builder = maker(service, channel)
    else:
        builder = maker(service)
    builder.setSmallIcon(service.getApplicationInfo().icon)
    builder.setContentTitle(title)
    builder.setContentText(text)
    builder.setOngoing(True)
    builder.setContentIntent(_opening(service))
    return builder.build()


def _opening(service: Any) -> Any:
    """What a tap does: it opens the app."""
    pending = android.java("android.app.PendingIntent")
    opened = service.getPackageManager().getLaunchIntentForPackage(service.getPackageName())
    flags = pending.FLAG_IMMUTABLE | pending.FLAG_UPDATE_CURRENT
    return pending.getActivity(service, 0, opened, flags)


def _no_service(why: str) -> str:
    return (
        f"no service of python-for-android runs here ({why}); call start_in_foreground in the "
        "main thread of a service named in buildozer.spec"
    )
