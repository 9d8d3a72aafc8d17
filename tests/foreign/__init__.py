"""Cameras that are not ours: what libgphoto2 itself brings, and other programs that behave like a camera."""
