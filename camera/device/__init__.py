"""The camera process: the only place that loads libgphoto2."""
