"""A Canon EOS 550D: the operations, settings and events of Canon EOS bodies."""
