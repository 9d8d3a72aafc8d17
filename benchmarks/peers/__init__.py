"""Other ways to do the same work. Each is a process that says the port it listens on, and serves until it is ended."""
