"""What a power cut leaves of a daemon's disk: recorded, cut at every point, and judged."""
