"""CSV: one row a step, for spreadsheets and data frames. The columns follow the `emotion` event; other events are left out."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from streamser.events import EmotionEvent, Event
from streamser.sinks.output import Output

BEFORE = ("source", "channel", "seq", "start", "end", "window_start", "state", "label", "stable_label", "confidence")
AFTER = ("arousal", "text", "text_pending", "pitch_hz", "level_db", "latency")


class CsvRows:
    """A line sink. What is null in the event is an empty cell.

    Args:
        output: where rows go; the header is written with the first of them.
        labels: the labels whose probabilities get a column each, `probability_anger` and so on.
    """

    def __init__(self, output: Output, labels: Sequence[str]) -> None:
        self._output = output
        self._labels = tuple(labels)
        self._begun = False

    def write(self, event: Event) -> None:
        if not self._begun:
            self._begun = True
            self._row([*BEFORE, *(f"probability_{label}" for label in self._labels), *AFTER])
        if isinstance(event, EmotionEvent):
            probabilities = event.probabilities or {}
            self._row(
                [getattr(event, name) for name in BEFORE]
                + [probabilities.get(label) for label in self._labels]
                + [getattr(event, name) for name in AFTER]
            )

    def close(self) -> None:
        self._output.close()

    def state(self) -> dict[str, Any]:
        return {"begun": self._begun}

    def restore(self, state: dict[str, Any]) -> None:
        self._begun = state["begun"]

    def _row(self, cells: Sequence[object]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(cells)
        self._output.write_line(line.getvalue())
