"""Other programs that send frames or files, for the comparison.

Each module runs as a process. The process prints its port, and serves until it is ended.
"""
