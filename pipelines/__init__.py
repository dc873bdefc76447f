"""The worked example: pipelines that run on the orchestrator as any user's code does."""
