"""Bench: what a bundle costs and what it is worth, measured, with every sample kept."""
