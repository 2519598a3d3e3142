"""kilohear: sound and activity recognition that listens at 1-2 kHz."""

from kilohear import errors
from kilohear.bundle import Bundle, Card, shipped
from kilohear.capture import Source, open_source
from kilohear.classifier import Classifier
from kilohear.decimator import Decimator, decimate
from kilohear.events import Detection, Event
from kilohear.frontend import FrontEnd
from kilohear.listener import Listener

__version__ = "0.1.0"

__all__ = [
    "Bundle",
    "Card",
    "Classifier",
    "Decimator",
    "Detection",
    "Event",
    "FrontEnd",
    "Listener",
    "Source",
    "__version__",
    "decimate",
    "errors",
    "open_source",
    "shipped",
]
