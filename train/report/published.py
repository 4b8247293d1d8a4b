"""What audEERING's ser-tests publish of WavLM large (the Odyssey 2024 baseline, four emotions), to two decimals.

Source: github.com/audeering/ser-tests at 455c47c, docs/results/test/emotion/cf69d616-1.0.0 and the page of its methods
(arXiv 2312.06270). Each tuple holds one figure a data set: of the robustness tests CREMA-D, EMOVO, IEMOCAP, MELD, MSP-Podcast
test 1; of rooms EMOVO, NSC, TIMIT. The perturbations here follow their description, on other clips and with other noise.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """The share of decisions left unchanged and the change of UAR by data set; `uar` is empty where it was not tested."""

    unchanged: tuple[float, ...]
    uar: tuple[float, ...] = ()

    def passes(self, least: float, change: float | None) -> str:
        """On how many data sets both hold: "3 of 5"."""
        kept = [
            share >= least and (change is None or not self.uar or self.uar[place] > change)
            for place, share in enumerate(self.unchanged)
        ]
        return f"{sum(kept)} of {len(kept)}"

    def range(self) -> str:
        return f"{min(self.unchanged):.2f}-{max(self.unchanged):.2f}"


ROBUSTNESS = {
    "gain": Published((0.99, 0.98, 0.99, 0.98, 0.98)),
    "clip": Published((0.98, 0.99, 0.97, 0.98, 0.99)),
    "high-pass filter": Published((0.97, 0.99, 0.98, 0.97, 0.97)),
    "low-pass filter": Published((0.94, 0.99, 0.99, 0.98, 0.96)),
    "zeros before": Published((0.90, 0.95, 0.93, 0.92, 0.94)),
    "zeros after": Published((0.94, 0.98, 0.96, 0.95, 0.96)),
    "beginning cut": Published((0.94, 0.95, 0.95, 0.93, 0.95)),
    "end cut": Published((0.99, 1.0, 0.99, 0.96, 0.99)),
    "tone": Published((0.97, 0.95, 0.96, 0.98, 0.94)),
    "white noise 35-45 dB": Published((0.96, 0.91, 0.92, 0.95, 0.92)),
    "babble 20 dB": Published((0.87, 0.90, 0.91, 0.92, 0.86), (-0.01, 0.04, -0.01, 0.0, -0.02)),
    "environment 20 dB": Published((0.88, 0.90, 0.91, 0.92, 0.89), (-0.06, 0.0, 0.0, 0.0, -0.01)),
    "music 20 dB": Published((0.87, 0.87, 0.91, 0.91, 0.85), (-0.07, 0.01, -0.01, 0.0, -0.02)),
    "white noise 20 dB": Published((0.81, 0.85, 0.86, 0.86, 0.84), (-0.09, -0.08, -0.01, -0.02, 0.0)),
    "cough 10 dB": Published((0.73, 0.78, 0.77, 0.84, 0.79), (-0.04, -0.01, -0.05, -0.03, -0.07)),
    "sneeze 10 dB": Published((0.72, 0.76, 0.79, 0.85, 0.78), (-0.02, -0.01, -0.06, -0.03, -0.07)),
    "telephone (AMR)": Published((0.75, 0.81, 0.81, 0.78, 0.83), (-0.09, -0.01, -0.03, -0.01, -0.01)),
    "room": Published((0.74, 0.79, 0.80)),
}

# By test: the largest differences of any group to all, on IEMOCAP (sex alone) and MSP-Podcast test 1.
FAIRNESS = {
    "sex, UAR": {"IEMOCAP": 0.00, "MSP-Podcast": 0.05},
    "sex, precision of a label": {"IEMOCAP": 0.02, "MSP-Podcast": 0.10},
    "sex, recall of a label": {"IEMOCAP": 0.02, "MSP-Podcast": 0.15},
    "pitch, UAR": {"MSP-Podcast": 0.04},
    "pitch, precision of a label": {"MSP-Podcast": 0.12},
    "pitch, recall of a label": {"MSP-Podcast": 0.21},
}
# A label's share of the decisions on speech of six languages (Common Voice) differs by less than 0.1 from that of all.
FAIRNESS_LANGUAGES = "3 of 6 (largest: 0.27 in English)"
