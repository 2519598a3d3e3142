"""The rig: the students and the microphone that a profile puts to work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from kilohear.capture import Source, open_source
from kilohear.capture.feed import Feed, Switch
from kilohear.classifier import Classifier
from kilohear.errors import SourceLost
from kilohear.events import Fault
from kilohear.listener import Listener
from kilohear_ui.profile.plan import State
from kilohear_ui.profile.subject import Subject


class Activity:
    """What the device does during a stretch.

    Parameters
    ----------
    work
        Classifies a window; None: the stretch only waits.
    heard
        Returns how many windows a listener has classified so far.
    """

    def __init__(
        self, work: Callable[[], None] | None = None, heard: Callable[[], int] = lambda: 0
    ) -> None:
        self.work, self.heard = work, heard
        self.fault = ""

    def check(self) -> None:
        """Raise SourceLost where the microphone is gone: the state isn't what it is said to be."""
        if self.fault:
            raise SourceLost(self.fault)


class Rig(Protocol):
    """What a profile puts to work."""

    def open(self) -> None:
        """Load the students, and the microphone where it is needed."""
        ...

    def classify(self, subject: str) -> None:
        """Classify a window of noise."""
        ...

    def versions(self, subject: str) -> dict[str, str]:
        """Return the version of a subject's runtime."""
        ...

    def doing(self, state: State, subject: str) -> AbstractContextManager[Activity]:
        """Do something from here on, and nothing more at the end."""
        ...


class DeviceRig:
    """This device; see `Rig`.

    Parameters
    ----------
    subjects
        What is measured.
    source
        The microphone's address; None: none is needed.
    """

    def __init__(self, subjects: Sequence[Subject], source: str | None) -> None:
        self._subjects = {subject.name: subject for subject in subjects}
        self._windows = {subject.name: subject.window() for subject in subjects}
        self._address = source
        self._classifiers: dict[str, Classifier] = {}
        self._source: Source | None = None

    def open(self) -> None:
        """Load the students, and the microphone; on Android in the app's main thread.

        Raises
        ------
        KilohearError
            Where a file can't be loaded, or there is no microphone.
        """
        for name, subject in self._subjects.items():
            export = subject.export
            self._classifiers[name] = subject.bundle.open(export.runtime, export.precision)
        if self._address is not None:
            self._source = open_source(self._address)

    def classify(self, subject: str) -> None:
        """Classify a window of noise."""
        self._classifiers[subject](self._windows[subject])

    def versions(self, subject: str) -> dict[str, str]:
        """Return the version of a subject's runtime."""
        backend = self._classifiers[subject].backend
        return {backend.runtime: backend.version}

    def doing(self, state: State, subject: str) -> AbstractContextManager[Activity]:
        """Idle, capture, classify windows back to back, or listen."""
        if state == "microphone":
            return self._capturing(subject)
        if state == "listening":
            return self._listening(subject)
        if state == "inference":
            return nullcontext(Activity(lambda: self.classify(subject)))
        return nullcontext(Activity())

    @contextmanager
    def _capturing(self, subject: str) -> Iterator[Activity]:
        """Read the microphone and decimate it as a listener does, without a student."""
        source, switch, activity = self._microphone(), Switch(), Activity()
        rates_hz = frozenset({self._subjects[subject].card.rate_hz})

        def capture() -> None:
            try:
                for item in Feed(source, rates_hz, switch).items():
                    if isinstance(item, Fault):
                        activity.fault = item.reason
            except Exception as error:  # told by `check`, in the profile's thread
                activity.fault = str(error)
            if not switch.is_stopped and not activity.fault:
                activity.fault = f"{source.name}: ended; profile with a microphone"

        thread = threading.Thread(target=capture, name="kilohear profile capture", daemon=True)
        thread.start()
        try:
            yield activity
        finally:
            switch.set(stopped=True)
            thread.join()

    @contextmanager
    def _listening(self, subject: str) -> Iterator[Activity]:
        listener = Listener(self._classifiers[subject], self._microphone())
        activity = Activity(heard=lambda: listener.statistics.windows)

        def take(heard: object) -> None:
            if isinstance(heard, Fault):
                activity.fault = heard.reason

        listener.start(take)
        try:
            yield activity
        finally:
            listener.stop()

    def _microphone(self) -> Source:
        assert self._source is not None, "planned with a microphone only"
        return self._source
