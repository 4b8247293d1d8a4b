"""The report: what a pack can do and what not, on speakers and corpora that nobody trained on; one file a section."""
