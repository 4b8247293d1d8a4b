"""What actors load in place of the networks where only the cluster around them is tested."""

from __future__ import annotations

import os
from typing import Any

from tests.conftest import QuietRecognizer, QuietStream


class DeadlyRecognizer(QuietRecognizer):
    """Ends its process at a recording that is called so, as a lack of memory would."""

    def stream(self, source: str, channel: int = 0, **options: Any) -> QuietStream:
        if "deadly" in source:
            os._exit(1)
        return super().stream(source, channel, **options)
