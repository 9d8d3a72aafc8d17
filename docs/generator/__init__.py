"""Generates docs/protocol.md and docs/asyncapi.yaml from the declarations of the protocol: `make docs`."""
