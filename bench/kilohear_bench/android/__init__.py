"""An Android phone: the link to it, the runner on it, its heat, and a stand-in for it."""
