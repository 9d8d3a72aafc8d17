"""Pictures: capture, search, download, saving."""
