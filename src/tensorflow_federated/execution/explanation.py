"""`tff.explain`: what the compiler makes of a computation, and how the engine runs it."""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow_federated.compiler import explanation, plan
from tensorflow_federated.compiler.explanation import Explanation
from tensorflow_federated.core import computations, errors
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.execution import (
    backends,
    client_threads,
    contexts,
    executors,
    local,
    reduction,
    settings,
)
from tensorflow_federated.execution.chunk_worker import ChunkWorker


@errors.boundary
def explain(
    computation: computations.Computation, *, num_clients: int | None = None
) -> Explanation:
    """Explains what a computation does, without running it.

    Shown are the program as it was written, the program after each pass of the compiler, and the
    plan: the steps of the server and of the clients, by turns. Of each client step it is told what
    every client is sent, what it has, what it does, what stays there, and what leaves: the value,
    its type, its size where the type says it, and what it is aggregated by. In a simulation all
    aggregation is in plain text.

    Under `runs` it is told how the current context runs the step: compiled over chunks of clients,
    or the program of one client after the other, and why. `client_form="separate"` or `"compiled"`,
    when the context is made, asks for one of these.

    Args:
      computation: a computation whose types are known.
      num_clients: the size of a cohort; if given, it is told how it is cut into chunks.

    Returns:
      The explanation: it shows itself in a notebook or at a prompt, and `show` prints it.

    Raises:
      ArgumentError: if it is no computation, or its types are not known yet; or if `num_clients` is
        no number of clients.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(counts):
      ...     return tff.federated_sum(counts)
      >>> print(tff.explain(total, num_clients=100).plan)
      Each client is sent nothing, and sends 4 bytes.
      <BLANKLINE>
      1. At each client
         has      arg_1                                           : int32
         keeps    nothing
         sends    arg_1                                           : int32, 4 bytes
                  into v: a sum, in plain text
         runs     client by client: its computations are portable, and run on numpy
                  100 clients in 15 chunks of up to 7, one thread for each core
      <BLANKLINE>
      Result
         v                                                        : int32@SERVER
    """
    _check_number_of_clients(num_clients)
    return explanation.explain(computation, lambda step: _describe(step, num_clients))


def _check_number_of_clients(given: object) -> None:
    if given is not None and (not isinstance(given, int) or given < 0):
        raise errors.ArgumentError(
            "a cohort has a number of clients.",
            problems=[f"num_clients: got {errors.describe_object(given)}"],
            fix="give an integer, 0 or more, or leave `num_clients` out.",
        )


def _describe(step: plan.ClientStep, num_clients: int | None) -> Sequence[str]:
    """How the engine of the current context runs a client step."""
    engine = _current_engine()
    if not isinstance(engine, local.LocalEngine):
        return ["one operation after the other, for one client after the other"]
    worker = ChunkWorker(step, engine.settings)
    try:
        unused = worker.unused_settings()
        lines = [_form(worker), *([settings.without_effect(unused)] if unused else [])]
    except errors.FederatedError as error:
        # The context asks for what cannot be done: a call would raise this.
        lines = [f"not at all: {'; '.join(error.problems)}"]
    return [*lines, _chunks(engine, num_clients)]


def _current_engine() -> object | None:
    """The engine of the current context; None where a context of a user's own is current."""
    context = context_stack.current()
    if isinstance(context, contexts.ExecutionContext):
        return context.engine
    factory = getattr(context, "executor_factory", None)
    return factory.engine if isinstance(factory, executors.LocalExecutorFactory) else None


def _form(worker: ChunkWorker) -> str:
    form = worker.form()
    if isinstance(form, backends.NotCompiled):
        return f"client by client: {form.reason}"
    return f"compiled: {form.form}"


def _chunks(engine: local.LocalEngine, num_clients: int | None) -> str:
    chunks = "in chunks of consecutive clients"
    if num_clients is not None:
        lanes = engine.settings.lanes
        size = reduction.chunk_size(num_clients, lanes)
        count = len(reduction.chunks(num_clients, lanes))
        clients = _number(num_clients, "client")
        most = f"{size}" if num_clients % size == 0 else f"up to {size}"
        chunks = f"{clients} in {_number(count, 'chunk')} of {most}"
    return f"{chunks}, {_workers(engine)}"


def _workers(engine: local.LocalEngine) -> str:
    if not isinstance(engine.runner, client_threads.ThreadRunner):
        return "by the workers of an executor"
    threads = engine.settings.threads
    return "one thread for each core" if threads is None else _number(threads, "thread")


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
