"""Read messages from files, window by window."""
