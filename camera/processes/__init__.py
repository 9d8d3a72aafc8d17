"""The server's side of the camera processes: starting, messages, deadlines, log lines, ending."""
