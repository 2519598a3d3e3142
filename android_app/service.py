"""What listens on Android: a foreground service in a process of its own, python-for-android's Ears.

Labels, times and levels cross to the screens' process; sound never leaves this one.
"""

import os
from pathlib import Path

from kilohear import android
from kilohear.capture.android_service import start_in_foreground
from kilohear.errors import KilohearError, PermissionRefused
from kilohear_ui.ears import Ended
from kilohear_ui.ears.service import run_service
from kilohear_ui.ears.wire import keep_end
from kilohear_ui.problems import ServiceGone, problem_of
from kilohear_ui.texts import Texts


def main() -> None:
    """Say on the screen that this listens, then listen until told to stop."""
    folder = Path(os.environ["ANDROID_PRIVATE"])
    texts = Texts("system", android.java("java.util.Locale").getDefault().getLanguage())
    try:
        start_in_foreground(texts("android.listening"), texts("android.stays_here"))
    except KilohearError as error:
        told = error if isinstance(error, PermissionRefused) else ServiceGone(str(error))
        keep_end(folder, Ended(problem_of(told)))
        raise
    run_service(folder)


if __name__ == "__main__":
    main()
