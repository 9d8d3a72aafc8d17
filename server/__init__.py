"""The sockets: listening, one object for each client, one handler for each command."""
