"""The kilohear app on iOS: what the main.m of kivy-ios starts."""

import os

# Kivy reads these when it is imported: what it says goes to the system's log, and to no file.
os.environ["KIVY_NO_ARGS"] = "1"
os.environ["KIVY_NO_FILELOG"] = "1"

from kilohear_ui.app import KilohearApp

if __name__ == "__main__":
    KilohearApp().run()
