"""Whisper's blocks 3 and 4 tuned for emotion by low-rank factors: views of clips, the network, its training."""
