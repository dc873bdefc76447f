"""What surrounds the code of a flow run: its task runner, its say about results, and what it does with its own."""

from __future__ import annotations

from typing import Any

from orchestration.domain.schemas.runs import FlowRun
from orchestration.domain.states import State
from orchestration.sdk.context import FLOW_RUN, FlowRunContext, ResultOptions
from orchestration.sdk.logs import are_logged
from orchestration.sdk.results import ResultStore, new_result_key, storage_of
from orchestration.sdk.runners import TaskRunner, ThreadPoolTaskRunner
from orchestration.sdk.serializers import serializer_of
from orchestration.sdk.session import Session


def new_context(flow: Any, run: FlowRun, session: Session, parameters: dict[str, Any]) -> FlowRunContext:
    """The context of a flow run that is about to call its function; a subflow follows the flow around it."""
    outer = FLOW_RUN.get()
    log_prints = are_logged(flow, outer, session.settings)
    around = outer.results if outer is not None else ResultOptions()
    return FlowRunContext(run, session, parameters, _runner(flow, session), _results(flow, around), log_prints)


def with_kept_result(flow: Any, context: FlowRunContext, state: State) -> State:
    """A completed state whose result lies in storage, if flow or settings ask for that."""
    options, settings = context.results, context.session.settings
    persist = settings.persist_results if options.persist is None else options.persist
    if not (state.is_completed() and persist):
        return state
    store = ResultStore(storage_of(options.storage, settings.storage_path), serializer_of(options.serializer))
    stored = store.write(new_result_key(), state.data)
    if not flow.cache_result_in_memory:
        stored.forget()
    return state.evolve(data=stored)


def _runner(flow: Any, session: Session) -> TaskRunner:
    if flow.task_runner is None:
        return ThreadPoolTaskRunner(session.settings.task_runner_max_workers)
    fresh: TaskRunner = flow.task_runner() if isinstance(flow.task_runner, type) else flow.task_runner.duplicate()
    return fresh


def _results(flow: Any, around: ResultOptions) -> ResultOptions:
    asked = flow.result_storage is not None or flow.result_serializer is not None
    persist = flow.persist_result if flow.persist_result is not None else (asked or around.persist)
    return ResultOptions(persist, flow.result_storage or around.storage, flow.result_serializer or around.serializer)
