"""The tests. Helpers that several folders use are in tests.support."""
