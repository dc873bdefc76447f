"""The import that every script with a flow begins with, and nothing else."""

from orchestration import flow, task

__all__ = ["flow", "task"]
