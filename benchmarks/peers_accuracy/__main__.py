"""emotion2vec+ and SenseVoice on our test speakers: `python -m benchmarks.peers_accuracy`."""

import sys

from benchmarks.peers_accuracy.command import main

sys.exit(main())
