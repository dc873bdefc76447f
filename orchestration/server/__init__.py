"""The REST interface over any backend."""
