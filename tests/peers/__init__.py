"""Live peers: DMTF's emulators, both ways, and the sessions that were recorded with them, which replay without them."""
