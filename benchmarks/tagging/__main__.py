"""Linear probes on embeddings: `python -m benchmarks.tagging`."""

import sys

from benchmarks.tagging.command import main

sys.exit(main())
