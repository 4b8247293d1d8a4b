"""Pitch trackers side by side: `python -m benchmarks.pitch`."""

import sys

from benchmarks.pitch.command import main

sys.exit(main())
