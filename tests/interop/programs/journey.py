"""Flows as a user of Prefect writes them; SIDE names the package that they are imported from."""

import asyncio
import os
import sys

if os.environ["SIDE"] == "peer":
    from prefect import flow, get_run_logger, task, unmapped
    from prefect.artifacts import create_markdown_artifact, create_table_artifact
    from prefect.variables import Variable
else:
    from orchestration import (
        Variable,
        create_markdown_artifact,
        create_table_artifact,
        flow,
        get_run_logger,
        task,
        unmapped,
    )

attempts: list[int] = []


@task
def add(first: int, second: int) -> int:
    return first + second


@task(retries=2, retry_delay_seconds=0.1)
def flaky() -> str:
    attempts.append(1)
    if len(attempts) < 2:
        raise ValueError("the first attempt fails")
    return "ok"


@task
async def aadd(first: int, second: int) -> int:
    await asyncio.sleep(0)
    return first + second


@flow(name="child")
def child(number: int) -> int:
    get_run_logger().info("in the child %d", number)
    return add(number, 1)


@flow(name="journey", flow_run_name="journey of {number}", description="All that a script does.")
def journey(number: int = 1) -> int:
    get_run_logger().warning("on the way with %d", number)
    one = add(number, 1)
    two = add.submit(one, 2).result()
    three = sum(future.result() for future in add.map([1, 2, 3], unmapped(two)))
    assert flaky() == "ok"
    create_markdown_artifact("# RMSE\n\n5.1 minutes", key="journey-report", description="how it went")
    create_table_artifact([{"metric": "rmse", "value": 5.1}], key="journey-metrics")
    Variable.set("journey", {"number": number}, overwrite=True)
    assert Variable.get("journey") == {"number": number}
    return three + child(number)


@flow(name="ajourney")
async def ajourney() -> int:
    return sum(await asyncio.gather(*(aadd(number, 1) for number in range(3))))


@flow(name="broken")
def broken() -> None:
    raise ValueError("as asked")


@flow(name="retried", retries=1)
def retried() -> str:
    attempts.append(1)
    if len(attempts) < 2:
        raise ValueError("once more")
    return "done"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        attempts.clear()
        if name == "ajourney":
            assert asyncio.run(ajourney()) == 6
        elif name == "broken":
            assert broken(return_state=True).is_failed()
        else:
            print(name, {"journey": journey, "retried": retried}[name]())
