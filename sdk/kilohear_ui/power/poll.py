"""The battery read now and then, in a thread: a slow meter never holds a frame up."""

from __future__ import annotations

import threading

from kilohear_ui.power import Battery, Reading


class BatteryPoll:
    """Reads a battery while it is wanted.

    Parameters
    ----------
    every_s
        How often.

    Attributes
    ----------
    reading
        The newest; None: not yet, or there is no battery.
    """

    def __init__(self, every_s: float = 5.0) -> None:
        self.reading: Reading | None = None
        self._every_s = every_s
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, battery: Battery) -> None:
        """Read from now on; does nothing where it already does."""
        if self._thread is not None:
            return
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=self._read, args=(battery, self._over), name="kilohear battery", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _read(self, battery: Battery, over: threading.Event) -> None:
        while not over.is_set():
            self.reading = battery.read()
            over.wait(self._every_s)
