"""The server above its camera processes, on model cameras, under virtual time and with faults from a seed."""
