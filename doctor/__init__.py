"""What is wrong with this machine, its settings and its cameras, and the one command that mends it."""
