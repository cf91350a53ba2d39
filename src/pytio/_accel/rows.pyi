"""What a captured packet is, for the other compiled modules: it has no functions that Python could call."""
