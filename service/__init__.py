"""Commands, their answers, and events, independent of the transport. Uses no sockets."""
