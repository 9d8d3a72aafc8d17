"""The wire as typed values: messages in, messages out. No I/O and no camera."""
