"""The port through which everything goes, and what may stand behind it."""
