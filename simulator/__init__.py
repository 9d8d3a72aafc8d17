"""A simulated camera that the real libgphoto2 drives over PTP/IP: ``python -m simulator``."""
