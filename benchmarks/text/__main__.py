"""What words add to the voice: `python -m benchmarks.text`."""

import sys

from benchmarks.text.command import main

sys.exit(main())
