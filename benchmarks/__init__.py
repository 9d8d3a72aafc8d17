"""Benchmarks: each figure is compared with another program in the same run, or with a limit."""
