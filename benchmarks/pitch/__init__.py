"""Pitch trackers side by side: `python -m benchmarks.pitch`."""
