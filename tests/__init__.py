"""The tests; what several folders use is in tests.support."""
