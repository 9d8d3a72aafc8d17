"""Finds the connected cameras and operates each of them. Independent of websockets and of the protocol."""
