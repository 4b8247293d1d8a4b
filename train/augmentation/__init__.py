"""Changes to training material: of the waveform, and of sequences of features."""
