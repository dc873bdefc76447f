"""The smallest script: one flow that calls one task."""

from orchestration import flow, task


@task
def add(x: int, y: int) -> int:
    """The sum of two numbers."""
    return x + y


@flow
def main_flow(number_a: int = 1, number_b: int = 1) -> int:
    """One call of the task."""
    return add(number_a, number_b)


if __name__ == "__main__":
    main_flow()
