"""The systems of arXiv 2506.02088 and their kin: encoders' features fused, classified, trained, joined to an ensemble."""
