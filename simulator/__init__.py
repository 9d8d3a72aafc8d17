"""A simulated camera: the real libgphoto2 connects to it over PTP/IP. Start it with ``python -m simulator``."""
