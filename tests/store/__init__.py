"""The durable state of the server."""
