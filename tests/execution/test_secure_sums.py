"""Secure sums, simulated: the same sums, and errors where clients break what they promised."""

from __future__ import annotations

import collections

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tensorflow_federated.core import contexts, errors, intrinsics
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType
from tensorflow_federated.execution import contexts as execution_contexts

INT_CLIENTS = FederatedType(np.int32, CLIENTS)
INTEGERS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]


def secure_sum(member, max_input):
    return federated_computation(
        lambda x: intrinsics.federated_secure_sum(x, max_input), FederatedType(member, CLIENTS)
    )


def of_bits(member, bitwidth):
    return federated_computation(
        lambda x: intrinsics.federated_secure_sum_bitwidth(x, bitwidth),
        FederatedType(member, CLIENTS),
    )


def modular_sum(member, modulus):
    return federated_computation(
        lambda x: intrinsics.federated_secure_modular_sum(x, modulus),
        FederatedType(member, CLIENTS),
    )


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("dtype", INTEGERS)
def test_sums_of_every_dtype(dtype):
    for computation in (secure_sum(dtype, 10), of_bits(dtype, 4), modular_sum(dtype, 100)):
        total = computation([1, 2, 6])
        assert total == 9
        assert total.dtype == dtype


@pytest.mark.usefixtures("engine")
def test_sums_without_clients_are_zero():
    for computation in (secure_sum(np.int32, 1), of_bits(np.int32, 1), modular_sum(np.int32, 3)):
        assert computation([]) == 0


@pytest.mark.usefixtures("engine")
def test_sums_of_many_clients():
    values = list(range(500))
    assert secure_sum(np.int32, 499)(values) == sum(values)
    assert modular_sum(np.int32, 1000)(values) == sum(values) % 1000


MEMBER = collections.OrderedDict(a=np.int32, b=[(np.int64, [2])])
VALUES = [{"a": 5, "b": [[1, 7]]}, {"a": 2, "b": [[3, 3]]}]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("bound", [8, collections.OrderedDict(a=6, b=[9])], ids=["one", "each"])
def test_sums_of_structures(bound):
    for computation in (secure_sum(MEMBER, bound), of_bits(MEMBER, bound)):
        total = computation(VALUES)
        assert isinstance(total, collections.OrderedDict)
        assert total["a"] == 7
        assert total["b"][0].tolist() == [4, 10]


@pytest.mark.usefixtures("engine")
def test_modular_sums_of_structures():
    total = modular_sum(MEMBER, collections.OrderedDict(a=4, b=[10]))(VALUES)
    assert total["a"] == 3
    assert total["b"][0].tolist() == [4, 0]


@pytest.mark.usefixtures("engine")
def test_the_largest_value_is_allowed_and_negative_ones_are():
    assert secure_sum(np.int32, 10)([10, -30]) == -20
    assert of_bits(np.int32, 3)([7, -8]) == -1


@pytest.mark.usefixtures("engine")
def test_a_larger_value_is_an_error():
    with pytest.raises(errors.SecureSumError, match="value: 2 clients have more than `max_input`"):
        secure_sum(np.int32, 10)([11, 10, 12])


@pytest.mark.usefixtures("engine")
def test_a_value_of_more_bits_is_an_error():
    with pytest.raises(errors.SecureSumError, match="value: 1 client has more than `bitwidth`"):
        of_bits(np.int32, 3)([8, 7])


@pytest.mark.usefixtures("engine")
def test_the_error_names_the_part_that_is_too_large(golden, request):
    bound = collections.OrderedDict(a=10, b=[6])
    with pytest.raises(errors.SecureSumError) as caught:
        secure_sum(MEMBER, bound)(VALUES)
    golden.check("a value that is too large", str(caught.value))


@pytest.mark.usefixtures("engine")
def test_a_bound_beyond_the_dtype_allows_every_value():
    assert secure_sum(np.int8, 1000)([127, -128]) == -1
    assert secure_sum(np.uint64, 2**40)([2**40]) == 2**40
    assert of_bits(np.uint8, 62)([255, 1]) == 0
    assert of_bits(np.int64, 62)([2**62 - 1]) == 2**62 - 1


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("dtype", "modulus"),
    [(np.int32, 2**31 - 1), (np.uint8, 255), (np.int8, 127), (np.uint64, np.uint64(2**64 - 1))],
)
def test_no_modular_sum_is_too_large_on_the_way(dtype, modulus):
    values = [int(modulus) - 1] * 7
    assert modular_sum(dtype, modulus)(values) == (7 * (int(modulus) - 1)) % int(modulus)


@pytest.mark.usefixtures("engine")
def test_remainders_of_negative_values_are_not_negative():
    assert modular_sum(np.int32, 4)([1, 2, -6]) == 1


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("bitwidth", [-1, 63])
def test_a_bit_width_that_comes_when_it_runs_is_checked(bitwidth):
    computation = federated_computation(
        lambda x, bits: intrinsics.federated_secure_sum_bitwidth(x, bits), INT_CLIENTS, np.int32
    )
    with pytest.raises(errors.SecureSumError, match="bitwidth"):
        computation([1], bitwidth)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("modulus", [0, -3, 2**40])
def test_a_modulus_that_comes_when_it_runs_is_checked(modulus):
    computation = federated_computation(
        lambda x, m: intrinsics.federated_secure_modular_sum(x, m), INT_CLIENTS, np.int64
    )
    assert computation([5, 4], 7) == 2
    with pytest.raises(errors.SecureSumError, match="modulus"):
        computation([1], modulus)


@pytest.mark.usefixtures("engine")
def test_two_rounds_with_secure_sums():
    def program(x):
        total = intrinsics.federated_secure_sum(x, 10)
        sent = intrinsics.federated_broadcast(total)
        return intrinsics.federated_secure_sum(sent, 100), intrinsics.federated_sum(x)

    assert federated_computation(program, INT_CLIENTS)([1, 2, 3]) == (18, 6)


NUMBERS = st.integers(-(2**31), 2**31 - 1)


@hypothesis.given(st.lists(NUMBERS, max_size=40), st.integers(1, 2**31 - 1))
@hypothesis.settings(max_examples=25)
def test_modular_sums_are_what_python_computes(values, modulus):
    computation = modular_sum(np.int32, modulus)
    for create in (
        execution_contexts.create_local_context,
        execution_contexts.create_reference_context,
    ):
        with contexts.install(create(seed=0)):
            assert computation(values) == sum(values) % modulus


def test_every_secure_intrinsic_is_refused_where_none_is_simulated(golden):
    def program(keys, size, x):
        rows = intrinsics.federated_secure_select(keys, size, size, lambda value, key: key)
        return rows, intrinsics.federated_secure_sum(x, 3)

    computation = federated_computation(
        program,
        FederatedType((np.int32, [1]), CLIENTS),
        FederatedType(np.int32, SERVER),
        INT_CLIENTS,
    )
    context = execution_contexts.create_local_context(simulate_secure=False)
    with contexts.install(context), pytest.raises(errors.PrivacyError) as caught:
        computation([[0]], 1, [2])
    golden.check("a context without protocols", str(caught.value))


@pytest.mark.parametrize(
    "create",
    [execution_contexts.create_local_context, execution_contexts.create_reference_context],
)
def test_what_promises_nothing_runs_where_nothing_is_simulated(create):
    computation = federated_computation(lambda x: intrinsics.federated_sum(x), INT_CLIENTS)
    with contexts.install(create(simulate_secure=False)):
        assert computation([1, 2]) == 3


def test_a_secure_sum_that_comes_as_an_argument_is_refused():
    total = federated_computation(lambda x: intrinsics.federated_secure_sum(x, 3), INT_CLIENTS)
    apply = federated_computation(lambda f, x: f(x), [total.type_signature, INT_CLIENTS])
    context = execution_contexts.create_local_context(simulate_secure=False)
    with contexts.install(context), pytest.raises(errors.PrivacyError):
        apply(total, [1])


def test_a_context_says_what_becomes_of_secure_protocols():
    simulating = execution_contexts.create_local_context()
    refusing = execution_contexts.create_reference_context(simulate_secure=False)
    assert "secure protocols: simulated in plain text" in repr(simulating)
    assert "secure protocols: refused" in repr(refusing)
