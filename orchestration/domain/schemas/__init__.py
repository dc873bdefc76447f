"""The documents that travel between store, server, client and pages: one file a resource."""
