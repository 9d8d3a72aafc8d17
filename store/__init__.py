"""The durable state of the server: one SQLite database. Knows nothing of cameras, commands or sockets."""
