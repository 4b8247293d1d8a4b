"""The physical limit of every network, and the distance to it."""
