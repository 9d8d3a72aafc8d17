"""Finds problems of this machine, the settings and the cameras, and shows what solves each problem."""
