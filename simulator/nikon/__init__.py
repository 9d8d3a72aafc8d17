"""A Nikon D7100: the operations, settings and events of Nikon DSLR bodies."""
