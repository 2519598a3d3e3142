"""Intelligibility by sampling rate: what a recogniser, or a person, still understands of speech."""
