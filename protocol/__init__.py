"""The wire protocol as typed values. No I/O, and no access to cameras."""
