"""An iPhone by way of the pymobiledevice3 command: its answers, battery and the app's results."""
