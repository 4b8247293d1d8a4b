"""F0 of a whole recording by the published RMVPE."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from streamser.features.pitch import BINS, decode
from train.pitch.published import PublishedPitch
from train.pitch.published_mel import log_mel, pad_frames

Float32 = NDArray[np.float32]
THRESHOLD = 0.03  # of the strongest bin; the published code's. The paper's emotion recogniser takes 0.05.


def salience_of(network: PublishedPitch, audio: Float32) -> Float32:
    """f32[n] at 16 kHz, full scale 1 -> salience f32[n // 160 + 1, 360]; frame i is centred on sample 160 i.

    All frames go through the network at once, as its bidirectional GRU asks: about 20 MB a second of audio beside the weights.
    """
    mel = log_mel(audio)
    if not len(mel):
        return np.empty((0, BINS), dtype=np.float32)
    padded = torch.from_numpy(pad_frames(mel, network.sizes.multiple))
    with torch.inference_mode():
        return network(padded[None])[0, : len(mel)].numpy()


def track(network: PublishedPitch, audio: Float32, threshold: float = THRESHOLD) -> tuple[Float32, Float32]:
    """The pitch of a whole recording.

    Args:
        network: with its weights, from `published_weights.open_weights`.
        audio: f32[n] at 16 kHz, full scale 1.
        threshold: a frame is voiced when its strongest bin reaches this; 0 gives every frame a pitch.

    Returns:
        (F0 in Hz, 0 where unvoiced, f32[n // 160 + 1]; the strongest bin's salience 0 to 1, same shape).
    """
    pitch, peak = decode(salience_of(network, audio)) if len(audio) else (np.empty(0, np.float32), np.empty(0, np.float32))
    return np.where(peak < threshold, np.float32(0), pitch), peak
