"""Where sound comes from: files, pipes, microphones; each a `Source` of pieces at 16 kHz. No model is known here."""
