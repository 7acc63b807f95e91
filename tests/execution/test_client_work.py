"""Client steps in back ends: compiled in chunks where possible, and else client by client."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from tensorflow_federated.core import contexts, errors, intrinsics, ir, local_intrinsics
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.local_computations import LocalComputation
from tensorflow_federated.core.placements import CLIENTS
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, FunctionType, SequenceType
from tensorflow_federated.execution import contexts as execution_contexts
from tensorflow_federated.execution import (
    reduction,
    sequences,
)
from tensorflow_federated.execution.problems import describe_error
from tensorflow_federated.execution.settings import Settings
from tensorflow_federated.jax import computation as jax_computation
from tensorflow_federated.jax import portable_computation

INT_CLIENTS = FederatedType(np.int32, CLIENTS)


@pytest.fixture
def use_backend(use_toy_backend):
    with contexts.install(local_context()):
        yield use_toy_backend


def local_context(**settings) -> execution_contexts.ExecutionContext:
    # One thread: what the back end is asked for comes in the order of the cohort.
    return execution_contexts.create_local_context(
        seed=0, settings=Settings(**{"threads": 1, **settings})
    )


def toy(function, name: str = "toy") -> ConcreteComputation:
    function_type = FunctionType(np.int32, np.int32)
    return ConcreteComputation(ir.Local(LocalComputation("toy", function, function_type, name)))


def triple(x):
    return x * np.int32(3)


@portable_computation(np.int32)
def increment(x):
    return x + 1


def sum_of(*functions) -> ConcreteComputation:
    def program(x):
        for function in functions:
            x = intrinsics.federated_map(function, x)
        return intrinsics.federated_sum(x)

    return federated_computation(program, INT_CLIENTS)


def test_a_step_is_compiled_once_and_run_in_chunks(use_backend):
    backend = use_backend(compiles=True)
    program = sum_of(toy(triple), increment)
    assert program(list(range(10))) == 145
    assert program(list(range(10))) == 145
    assert backend.steps_compiled == 1
    assert backend.chunks == [len(chunk) for chunk in reduction.chunks(10)] * 2
    assert backend.programs_run == 0


def test_what_cannot_be_compiled_is_run_client_by_client(use_backend):
    backend = use_backend(compiles=False)
    assert sum_of(toy(triple), increment)(list(range(10))) == 145
    assert backend.programs_run == 10


def test_data_that_does_not_fit_is_run_client_by_client(use_backend):
    backend = use_backend(compiles=True, fits=False)
    assert sum_of(toy(triple))(list(range(10))) == 135
    assert backend.programs_run == 10


def test_steps_that_keep_values_are_run_client_by_client(use_backend):
    backend = use_backend(compiles=True)
    mapped = federated_computation(lambda x: intrinsics.federated_map(toy(triple), x), INT_CLIENTS)
    assert mapped([1, 2]) == [3, 6]
    assert backend.steps_compiled == 0
    assert backend.programs_run == 2


def test_portable_work_needs_no_back_end(use_backend):
    backend = use_backend(compiles=True)
    assert sum_of(increment)([1, 2]) == 5
    assert backend.steps_compiled == 0


def test_work_of_two_back_ends_is_run_one_operation_at_a_time(use_backend):
    backend = use_backend(compiles=True)
    use_backend("other", compiles=True)
    other = ir.Local(LocalComputation("other", triple, FunctionType(np.int32, np.int32), "other"))
    assert sum_of(toy(triple), ConcreteComputation(other))([1, 2]) == 27
    assert backend.steps_compiled == 0
    assert backend.programs_run == 0


def test_clients_are_run_separately_if_asked_for(use_backend):
    backend = use_backend(compiles=True)
    with contexts.install(local_context(client_form="separate")):
        assert sum_of(toy(triple))(list(range(10))) == 135
    assert (backend.steps_compiled, backend.programs_run) == (0, 10)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (sum_of(toy(triple)), "it is a toy"),
        (
            federated_computation(lambda x: intrinsics.federated_map(toy(triple), x), INT_CLIENTS),
            "it keeps values at the clients",
        ),
        (
            sum_of(toy(triple), jax_computation(lambda x: x, np.int32)),
            "it has computations of jax and toy",
        ),
    ],
    ids=["the back end says so", "kept values", "two back ends"],
)
def test_what_cannot_be_compiled_says_why_if_it_is_asked_for(use_backend, golden, program, reason):
    use_backend(compiles=False)
    with contexts.install(local_context(client_form="compiled")):
        with pytest.raises(errors.ClientFormError) as raised:
            program([1, 2])
        golden.check(reason, str(raised.value))


def test_portable_work_is_compiled_if_asked_for(use_backend):
    backend = use_backend("jax", compiles=True)
    with contexts.install(local_context(client_form="compiled")):
        assert sum_of(increment)([1, 2]) == 5
    assert backend.chunks == [1, 1]


def test_a_program_of_an_unknown_back_end_says_which_there_are():
    unknown = ir.Local(LocalComputation("torch", triple, FunctionType(np.int32, np.int32), "f"))
    with (
        contexts.install(local_context()),
        pytest.raises(errors.BackendError, match=r"back ends: .*jax"),
    ):
        ConcreteComputation(unknown)(1)


def test_the_data_of_a_chunk_is_let_go_before_the_next_one_is_read(monkeypatch):
    client_count, arrays, alive = 40, [], []

    class Dataset:
        """A dataset of a framework, which is read when its elements are asked for."""

    def convert(dataset, element_type):
        def load():
            array = np.ones(3, np.int32)
            arrays.append(weakref.ref(array))
            alive.append(sum(each() is not None for each in arrays))
            return sequences.Sequence.from_columns((array,), None, element_type)

        return sequences.Sequence.from_dataset(dataset, element_type, load)

    is_dataset = (lambda value: isinstance(value, Dataset), convert)
    monkeypatch.setattr(sequences, "_converters", [is_dataset])
    numbers = SequenceType(np.int32)
    program = federated_computation(
        lambda x: intrinsics.federated_sum(
            intrinsics.federated_map(
                federated_computation(lambda data: local_intrinsics.sequence_sum(data), numbers), x
            )
        ),
        FederatedType(numbers, CLIENTS),
    )
    with contexts.install(local_context()):
        assert program([Dataset() for _ in range(client_count)]) == 3 * client_count
    assert len(alive) == client_count
    assert max(alive) <= reduction.chunk_size(client_count)


def test_a_failure_is_told_with_the_users_lines_of_the_stack_in_its_text():
    installed = np.__file__
    text = f'made at:\n  File "{installed}", line 3, in f\n\n  File "{__file__}", line 7\n\nno 99'
    assert describe_error(ValueError(text)) == (
        f'ValueError: made at:\n  File "{__file__}", line 7\nno 99'
    )


def test_a_failure_without_a_stack_in_its_text_is_told_whole():
    assert describe_error(ValueError("one\n\ntwo")) == "ValueError: one\n\ntwo"


def test_the_code_of_a_place_that_is_not_the_users_is_not_told():
    text = (
        "OSError: gone\nTraceback (most recent call last):\n\n"
        '  File "/usr/lib/python3/dist-packages/a.py", line 1, in call\n'
        "    ret = func(*args)\n          ^^^^\n\n"
        '  File "/home/me/train.py", line 9, in read\n'
        '    raise OSError("gone")\n\nOSError: gone\n'
    )
    assert describe_error(ValueError(text)) == (
        "ValueError: OSError: gone\nTraceback (most recent call last):\n"
        '  File "/home/me/train.py", line 9, in read\n    raise OSError("gone")\nOSError: gone'
    )
