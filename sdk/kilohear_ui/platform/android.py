"""Android, through pyjnius and python-for-android's own modules.

No phone has run this yet: it is tested on a desktop's JVM, against classes with the signatures of
Android's. Make it and call it in the app's main thread: only there Java finds the app's classes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kilohear import extras, files
from kilohear.android import app, is_granted, java, java_error, sdk_level, why
from kilohear.errors import AudioError
from kilohear_ui.ears import Ears
from kilohear_ui.power import Battery

SERVICE = "org.kilohear.kilohear.ServiceEars"
"""What python-for-android makes of the service `Ears` in buildozer.spec."""

_REFUSED = "microphone_refused_for_good"
_SHARED = "shared"
"""Folder in the app's cache; the only one that shared_paths.xml opens to other apps."""


class AndroidPlatform:
    """An Android phone or tablet; see `kilohear_ui.platform.Platform`."""

    name = "android"

    def __init__(self) -> None:
        self._battery: Battery | None = None

    @property
    def battery(self) -> Battery:
        """The phone's own meter; one, as it learns in which unit the phone tells its current."""
        if self._battery is None:
            from kilohear_ui.power.android import AndroidBattery

            self._battery = AndroidBattery()
        return self._battery

    def model(self) -> str:
        """Return the model as its maker writes it: Pixel 8."""
        return java("android.os.Build").MODEL

    def version(self) -> str:
        """Return the system's name and version: Android 14."""
        return f"Android {java('android.os.Build$VERSION').RELEASE}"

    def language(self) -> str:
        """Return the system's language, two letters."""
        return java("java.util.Locale").getDefault().getLanguage()

    def prefers_dark(self) -> bool:
        """Whether the system's night mode is on, now."""
        configuration = java("android.content.res.Configuration")
        mode = app().getResources().getConfiguration().uiMode
        return mode & configuration.UI_MODE_NIGHT_MASK == configuration.UI_MODE_NIGHT_YES

    def text_scale(self) -> float:
        """Return 1: Kivy's `sp` has the system's scale of text in it already."""
        return 1.0

    def safe_area(self) -> tuple[float, float, float, float]:
        """Return nothing: below API 35 the window lies beside the system's bars and cutouts."""
        return 0, 0, 0, 0

    def may_record(self) -> bool | None:
        """Whether the microphone is allowed; None where it can be asked for.

        False only where Android no longer asks: the system's settings are the only way then.
        """
        activity = app()
        if is_granted(activity, "RECORD_AUDIO"):
            return True
        if _would_explain(activity):
            return None
        return False if activity.getPreferences(0).getBoolean(_REFUSED, False) else None

    def ask_to_record(self, answered: Callable[[bool], None]) -> None:
        """Ask for the microphone, and from Android 13 on for the notification that says so.

        Android asks twice at most. After the second refusal it answers itself, at once and without
        saying so: that it would have explained before and no longer would is how to tell.
        """
        from kivy.clock import Clock

        would_explain = _would_explain(app())

        def conclude(_seconds: float) -> None:
            activity = app()
            may = is_granted(activity, "RECORD_AUDIO")
            if may or (would_explain and not _would_explain(activity)):
                activity.getPreferences(0).edit().putBoolean(_REFUSED, not may).apply()
            answered(may)

        def called_back(_permissions: list[str], _granted: list[bool]) -> None:
            # In Android's own thread; what was granted is looked up, as an interrupted request
            # calls back with nothing.
            Clock.schedule_once(conclude)

        wanted = ["android.permission.RECORD_AUDIO"]
        if sdk_level() >= 33:
            wanted.append("android.permission.POST_NOTIFICATIONS")
        extras.load("android.permissions").request_permissions(wanted, called_back)

    def open_settings(self) -> None:
        """Show the system's settings of this app."""
        activity = app()
        package = java("android.net.Uri").fromParts("package", activity.getPackageName(), None)
        action = java("android.provider.Settings").ACTION_APPLICATION_DETAILS_SETTINGS
        activity.startActivity(java("android.content.Intent")(action, package))

    def share(self, file: Path, mime: str) -> str | None:
        """Offer a copy of a file to other apps; where none can take it, return where it lies.

        The copy lies in the app's cache; those of earlier shares are removed.
        """
        activity = app()
        folder = Path(activity.getCacheDir().getAbsolutePath()) / _SHARED
        shutil.rmtree(folder, ignore_errors=True)
        copy = folder / file.name
        files.write_bytes(copy, file.read_bytes())
        try:
            activity.startActivity(_offer(activity, copy, mime))
        except java_error():
            return str(file)
        return None

    def keep_awake(self, wanted: bool) -> None:
        """Keep the screen on while a profile runs."""
        extras.load("android.runnable").run_on_ui_thread(_keep_awake)(app(), wanted)

    def make_ears(self, folder: Path) -> Ears:
        """Return the ears of the service, which listens in a process of its own."""
        from kilohear_ui.ears.remote import ServiceEars

        return ServiceEars(folder, launch)


def launch() -> None:
    """Start the service, or do nothing where it runs; the app must be on the screen.

    Raises
    ------
    AudioError
        Where Android refuses.
    """
    try:
        java(SERVICE).start(app(), "")
    except java_error() as error:
        raise AudioError(
            f"Android doesn't let the service start ({why(error)}); open the app and start again"
        ) from None


def _would_explain(activity: Any) -> bool:
    """Whether the microphone was refused once and can be asked for once more."""
    return activity.shouldShowRequestPermissionRationale("android.permission.RECORD_AUDIO")


def _offer(activity: Any, file: Path, mime: str) -> Any:
    intent = java("android.content.Intent")
    provider = java("androidx.core.content.FileProvider")
    authority = f"{activity.getPackageName()}.files"
    uri = provider.getUriForFile(activity, authority, java("java.io.File")(str(file)))
    offer = intent(intent.ACTION_SEND)
    offer.setType(mime)
    offer.putExtra(intent.EXTRA_STREAM, extras.load("jnius").cast("android.os.Parcelable", uri))
    # The right to read goes with the clip, to the app that is chosen and to no other.
    offer.setClipData(java("android.content.ClipData").newRawUri("", uri))
    offer.addFlags(intent.FLAG_GRANT_READ_URI_PERMISSION)
    return intent.createChooser(offer, file.name)


def _keep_awake(activity: Any, wanted: bool) -> None:
    flag = java("android.view.WindowManager$LayoutParams").FLAG_KEEP_SCREEN_ON
    window = activity.getWindow()
    (window.addFlags if wanted else window.clearFlags)(flag)
