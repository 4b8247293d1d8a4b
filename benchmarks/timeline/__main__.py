"""The time line against argmax and whole utterances: `python -m benchmarks.timeline`."""

import sys

from benchmarks.timeline.command import main

sys.exit(main())
