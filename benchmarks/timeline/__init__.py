"""How well the time line follows a voice whose emotion changes: composed streams, scores, tables."""
