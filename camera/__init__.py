"""Cameras: which exist, and the only way to reach each of them. Knows nothing of websockets or of the protocol."""
