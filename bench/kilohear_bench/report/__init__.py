"""Reports: what a run measured, as one HTML file, Markdown and CSV, and the host's table."""
