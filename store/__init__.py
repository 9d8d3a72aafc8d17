"""The durable state of the server: one SQLite database. Independent of cameras, commands and sockets."""
