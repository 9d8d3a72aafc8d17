"""The camera's own process: the only place that loads libgphoto2."""
