"""iOS and iPadOS, through pyobjus and kivy-ios's own module `ios`.

No iPhone has run this yet: it is tested against objects that follow pyobjus 1.2.4, and a runtime in
C. Make it and call it in the app's main thread, where UIKit wants to be called.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kilohear import extras
from kilohear.objc import Argument, Block, Objc, items, read, text
from kilohear_ui.ears import Ears
from kilohear_ui.power import Battery

_DARK = 2
"""UIUserInterfaceStyleDark; 1 is light, 0 unknown."""

_DENIED, _GRANTED = b"deny", b"grnt"
"""Of AVAudioSession's recordPermission; until iOS has asked it is `undt`."""

_OPEN_SETTINGS = "app-settings:"
"""The value of UIApplicationOpenSettingsURLString."""

_NOT_BACKED_UP = "NSURLIsExcludedFromBackupKey"

_BODY_POINTS = {
    "XS": 14,
    "S": 15,
    "M": 16,
    "L": 17,
    "XL": 19,
    "XXL": 21,
    "XXXL": 23,
    "AccessibilityM": 28,
    "AccessibilityL": 33,
    "AccessibilityXL": 40,
    "AccessibilityXXL": 47,
    "AccessibilityXXXL": 53,
}
"""Size of Apple's style Body in each of the content size categories; L is the usual one."""

_CATEGORY = "UICTContentSizeCategory"

_MOST_SCALE = 2.0
"""The screens are made for text up to this; iOS goes to 3.1."""


class IosPlatform:
    """An iPhone or iPad; see `kilohear_ui.platform.Platform`.

    Parameters
    ----------
    objc
        Objective-C; None: this device's.
    """

    name = "ios"

    def __init__(self, objc: Objc | None = None) -> None:
        self._objc = objc or Objc()
        # A block that iOS may still call has to stay where it is.
        self._asked: list[Block] = []

    @property
    def battery(self) -> Battery:
        """The device's own, which tells no current."""
        from kilohear_ui.power.ios import IosBattery

        return IosBattery(self._objc)

    def model(self) -> str:
        """Return the model as Apple writes it: iPhone14,5."""
        return os.uname().machine

    def version(self) -> str:
        """Return the system's name and version: iOS 17.5."""
        with self._objc.calls():
            (devices,) = self._objc.load("UIKit", "UIDevice")
            device = devices.currentDevice()
            return f"{text(read(device, 'systemName'))} {text(read(device, 'systemVersion'))}"

    def language(self) -> str:
        """Return the first of the languages that the user prefers, without its region."""
        with self._objc.calls():
            (locales,) = self._objc.load("Foundation", "NSLocale")
            preferred = items(locales.preferredLanguages())
            return text(preferred[0]).partition("-")[0] if preferred else "en"

    def prefers_dark(self) -> bool:
        """Whether the system shows dark screens, now."""
        with self._objc.calls():
            (screens,) = self._objc.load("UIKit", "UIScreen")
            traits = read(screens.mainScreen(), "traitCollection")
            return read(traits, "userInterfaceStyle") == _DARK

    def text_scale(self) -> float:
        """Return how much larger than usual iOS shows text, at most 2; Kivy doesn't know of it."""
        with self._objc.calls():
            category = text(read(self._application(), "preferredContentSizeCategory"))
        points = _BODY_POINTS.get(category.removeprefix(_CATEGORY), _BODY_POINTS["L"])
        return min(points / _BODY_POINTS["L"], _MOST_SCALE)

    def safe_area(self) -> tuple[float, float, float, float]:
        """Return what notch, corners and the bar at the bottom cover, pixels."""
        ios = extras.load("ios")
        scale, points = ios.get_scale(), ios.get_safe_area()
        left, top, right, bottom = (
            scale * points[side] for side in ("left", "top", "right", "bottom")
        )
        return left, top, right, bottom

    def may_record(self) -> bool | None:
        """Whether the microphone is allowed; None: not asked yet."""
        with self._objc.calls():
            permission = struct.pack(">I", read(self._session(), "recordPermission"))
        return {_DENIED: False, _GRANTED: True}.get(permission)

    def ask_to_record(self, answered: Callable[[bool], None]) -> None:
        """Ask for the microphone; iOS asks once, and answers at once from then on."""
        from kivy.clock import Clock

        def called_back(granted: bool) -> None:
            # In a thread of iOS's own.
            Clock.schedule_once(lambda _seconds: answered(granted))

        block = self._objc.block(called_back)
        self._asked.append(block)
        self._objc.load("AVFoundation")
        with self._objc.calls():
            session = self._send("AVAudioSession", "sharedInstance")
            self._send(session, "requestRecordPermission:", block)

    def open_settings(self) -> None:
        """Show the system's settings of this app."""
        self._objc.load("UIKit")
        with self._objc.calls():
            url = self._send("NSURL", "URLWithString:", self._string(_OPEN_SETTINGS))
            application = self._send("UIApplication", "sharedApplication")
            options = self._send("NSDictionary", "dictionary")
            self._send(application, "openURL:options:completionHandler:", url, options, None)

    def share(self, file: Path, mime: str) -> str | None:
        """Offer a file to other apps; return where it lies where no window can show the offer.

        Files of the app's folder are also in the Files app, under On My iPhone.
        """
        self._objc.load("UIKit")
        with self._objc.calls():
            application = self._send("UIApplication", "sharedApplication")
            root = self._send(self._send(application, "keyWindow"), "rootViewController")
            if root is None:
                return str(file)
            url = self._send("NSURL", "fileURLWithPath:", self._string(str(file)))
            what = self._send("NSArray", "arrayWithObject:", url)
            sheet = self._send(
                self._send("UIActivityViewController", "alloc"),
                "initWithActivityItems:applicationActivities:",
                what,
                None,
            )
            self._send(sheet, "autorelease")
            # An iPad shows it beside a view and ends an app that names none; elsewhere there is no
            # such controller, and a message to nil does nothing.
            popover = self._send(sheet, "popoverPresentationController")
            self._send(popover, "setSourceView:", self._send(root, "view"))
            self._send(root, "presentViewController:animated:completion:", sheet, True, None)
        return None

    def keep_awake(self, wanted: bool) -> None:
        """Keep the screen on while a profile runs."""
        with self._objc.calls():
            self._application().setIdleTimerDisabled_(wanted)

    def make_ears(self, folder: Path) -> Ears:
        """Return ears in this process: iOS keeps it running in the background while it records.

        The folder is left out of backups from now on: what was heard stays on this device.
        """
        from kilohear_ui.ears.local import LocalEars

        folder.mkdir(parents=True, exist_ok=True)
        with self._objc.calls():
            numbers, urls = self._objc.load("Foundation", "NSNumber", "NSURL")
            urls.fileURLWithPath_(str(folder)).setResourceValue_forKey_error_(
                numbers.numberWithBool_(True), _NOT_BACKED_UP, None
            )
        return LocalEars(folder)

    def _send(self, receiver: str | int | None, selector: str, *arguments: Argument) -> int | None:
        return None if receiver is None else self._objc.send(receiver, selector, *arguments)

    def _string(self, value: str) -> int | None:
        return self._send("NSString", "stringWithUTF8String:", value)

    def _application(self) -> Any:
        (applications,) = self._objc.load("UIKit", "UIApplication")
        return applications.sharedApplication()

    def _session(self) -> Any:
        (sessions,) = self._objc.load("AVFoundation", "AVAudioSession")
        return sessions.sharedInstance()
