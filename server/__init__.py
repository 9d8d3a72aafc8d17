"""The network side: listening, clients, and the delivery of requests and replies."""
