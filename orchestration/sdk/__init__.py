"""What a flow author imports; ``orchestration`` re-exports the public names."""
