"""Other programs for the same task. Each is a process that prints its port and serves until it is ended."""
