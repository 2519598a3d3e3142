"""esc10-1khz in a Kivy app: what was heard last is on the screen."""

import sys

from kivy.app import App
from kivy.clock import Clock
from kivy.uix.label import Label

import kilohear


class Ears(App):
    """Listens for as long as it is open."""

    listener = None

    def build(self):
        """Return the label."""
        self.label = Label(text="listening ...", font_size="32sp")
        return self.label

    def on_start(self):
        """Begin to listen: to the microphone, or to the recording that was named."""
        source = sys.argv[1] if sys.argv[1:] else "microphone"
        self.listener = kilohear.Listener("esc10-1khz", source)
        # The listener calls back in its own thread; widgets belong to Kivy's.
        self.listener.start(lambda heard: Clock.schedule_once(lambda _: self.show(heard)))

    def show(self, heard):
        """Show a sound's label, or what went wrong."""
        self.label.text = heard.label if isinstance(heard, kilohear.Event) else str(heard)

    def on_stop(self):
        """Let go of the microphone."""
        if self.listener:
            self.listener.stop()


if __name__ == "__main__":
    Ears().run()
