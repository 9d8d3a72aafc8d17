"""Benchmarks. Each figure is compared with a limit, or with a figure of another program from the same run."""
