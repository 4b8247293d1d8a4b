"""The full-size system of arXiv 2506.02088 with random weights: how long a step of it takes."""
