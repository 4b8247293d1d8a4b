"""Recordings recognised on the machines of a Ray cluster: joining it, what runs on its nodes, and results in order."""
