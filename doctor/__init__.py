"""Finds problems of this machine, its settings and its cameras, each with a command that solves it."""
