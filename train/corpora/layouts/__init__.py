"""Published corpora and a user's own folder, read from the layout they come in into clips with splits. One module each."""
