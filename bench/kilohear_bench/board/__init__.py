"""The bench on the Apollo3 board: work, time, current and worth of each sampling rate."""
