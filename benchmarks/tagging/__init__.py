"""Linear probes on embeddings: `python -m benchmarks.tagging`."""
