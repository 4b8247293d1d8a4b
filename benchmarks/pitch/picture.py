"""The picture of `python -m benchmarks.pitch --picture`: F0 tracks over a spectrogram, clean and in noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.pitch.material import Audio
from benchmarks.pitch.reading import FDA, Reading, Speech
from streamser.clock import SAMPLE_RATE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = ("clean", "5 dB")
HIGHEST_HZ = 700.0
COLOURS = ("red", "blue", "deepskyblue", "teal", "magenta", "limegreen", "darkorange", "purple")


def _spectrogram(axes: Axes, audio: Audio) -> None:
    window, hop = 1024, 80
    padded = np.pad(audio, window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * np.hanning(window)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames, 2 * window)) + 1e-5)[:, : int(HIGHEST_HZ * 2 * window / SAMPLE_RATE)]
    seconds = len(frames) * hop / SAMPLE_RATE
    loudest, area = level.max(), (0, seconds, 0, HIGHEST_HZ)
    axes.imshow(level.T, origin="lower", aspect="auto", cmap="Greys", vmin=loudest - 60, vmax=loudest, extent=area)


def draw(path: Path, readings: list[Reading], speech: Speech) -> None:
    """One scored utterance of each speaker of FDA-UE, a row each; the conditions side by side; ours on top."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    first = {speech.sets[FDA][index].speaker: index for index in reversed(speech.scored(FDA))}
    figure, grid = pyplot.subplots(len(first), len(SHOWN), figsize=(16, 5 * len(first)), squeeze=False, layout="constrained")
    for row, (speaker, index) in zip(grid, sorted(first.items()), strict=True):
        utterance = speech.sets[FDA][index]
        seconds = np.arange(len(utterance.truth)) * utterance.period
        for axes, condition in zip(row, SHOWN, strict=True):
            _spectrogram(axes, speech.heard[FDA, condition][index])
            truth = np.where(utterance.truth > 0, utterance.truth, np.nan)
            axes.plot(seconds, truth, color="gold", linewidth=6, alpha=0.6, zorder=1, label="laryngograph")
            for number in reversed(range(len(readings))):  # ours is first and lies on top
                hz, called = readings[number].decided(FDA, condition, index)
                marker, colour = "o" if number == 0 else "x", COLOURS[number % len(COLOURS)]
                name = readings[number].tracker.name
                axes.scatter(seconds[called], hz[called], 22, colour, marker, linewidths=1.2, zorder=2, label=name)
            axes.set(title=f"{utterance.name} ({speaker}), {condition}", xlabel="seconds", ylabel="Hz", ylim=(0, HIGHEST_HZ))
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=len(labels))
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
