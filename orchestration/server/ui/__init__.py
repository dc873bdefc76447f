"""Pages for people: drawn on the server from the same backend as the interface, changed by that interface alone."""
