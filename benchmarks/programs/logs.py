"""A flow that logs so many lines; prints how long it took, its logs flushed, and its id."""

import json
import sys
import time

from orchestration import flow, get_run_logger, runtime


@flow
def logging_much(count: int) -> str:
    """Log numbered lines."""
    logger = get_run_logger()
    for number in range(count):
        logger.info("line %d", number)
    return str(runtime.flow_run.id)


if __name__ == "__main__":
    begin = time.perf_counter()
    run_id = logging_much(int(sys.argv[1]))
    print(json.dumps({"flow_seconds": time.perf_counter() - begin, "flow_run_id": run_id}))
