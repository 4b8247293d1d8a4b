"""The fusion network (MDAT): from sets of feature nodes to emotion probabilities."""
