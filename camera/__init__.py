"""Access to cameras: which exist and how to use each one. Independent of websockets and of the protocol."""
