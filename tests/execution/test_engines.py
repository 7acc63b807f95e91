"""What programs compute, on every engine."""

from __future__ import annotations

import collections
import concurrent.futures
import gc
import weakref

import numpy as np
import pytest

from tensorflow_federated.core import contexts, errors, intrinsics, local_intrinsics, types
from tensorflow_federated.core.placements import CLIENTS, SERVER
from tensorflow_federated.core.tracing import federated_computation
from tensorflow_federated.core.types import FederatedType, FunctionType, SequenceType, TensorType
from tensorflow_federated.execution import contexts as execution_contexts
from tensorflow_federated.jax import portable_computation

INT_CLIENTS = FederatedType(np.int32, CLIENTS)
INT_SERVER = FederatedType(np.int32, SERVER)
FLOAT_CLIENTS = FederatedType(np.float32, CLIENTS)


@pytest.fixture(
    params=[
        execution_contexts.create_local_context,
        execution_contexts.create_reference_context,
    ],
    ids=["local", "reference"],
    autouse=True,
)
def execution_context(request):
    with contexts.install(request.param(seed=5)) as context:
        yield context


@portable_computation(np.float32)
def add_half(x):
    return x + 0.5


@portable_computation(np.int32, np.int32)
def add(x, y):
    return x + y


@portable_computation(np.int32)
def triple(x):
    return x * 3


def run(function, specs, *args):
    return federated_computation(function, *specs)(*args)


def test_a_local_computation_is_run():
    assert triple(4) == 12


def test_a_constant_is_returned():
    assert portable_computation(lambda: np.int32(5))() == 5


def test_a_federated_computation_without_placements_is_run():
    assert run(lambda x: triple(triple(x)), [np.int32], 2) == 18


def test_sums():
    program = federated_computation(lambda x: intrinsics.federated_sum(x), INT_CLIENTS)
    assert program([1, 2, 6]) == 9
    assert program([]) == 0
    assert program(list(range(1000))) == 499_500
    assert program([1]).dtype == np.int32


def test_sums_of_structures():
    member = [np.int32, TensorType(np.float32, [2])]
    total = run(
        lambda x: intrinsics.federated_sum(x),
        [FederatedType(member, CLIENTS)],
        [(1, [1.0, 2.0]), (2, [0.5, 0.5])],
    )
    assert isinstance(total, list)
    assert total[0] == 3
    assert total[1].tolist() == [1.5, 2.5]


def test_integers_wrap_around():
    small = FederatedType(np.int8, CLIENTS)
    assert run(lambda x: intrinsics.federated_sum(x), [small], [100, 100]) == -56


def test_a_sum_of_unknown_shapes_takes_those_of_the_values():
    vectors = FederatedType(TensorType(np.int32, [None]), CLIENTS)
    program = federated_computation(lambda x: intrinsics.federated_sum(x), vectors)
    assert program([[1, 2], [3, 4]] * 20).tolist() == [80, 120]
    with pytest.raises(errors.TypeMismatchError, match="a sum of no values"):
        program([])


def test_means():
    program = federated_computation(lambda x: intrinsics.federated_mean(x), FLOAT_CLIENTS)
    assert program([1.0, 2.0, 6.0]) == 3.0
    assert program([1.0]).dtype == np.float32


def test_the_mean_of_no_clients_is_nan():
    assert np.isnan(run(lambda x: intrinsics.federated_mean(x), [FLOAT_CLIENTS], []))


@pytest.mark.parametrize("weight_type", [np.float32, np.int32])
def test_weighted_means(weight_type):
    program = federated_computation(
        lambda x, w: intrinsics.federated_mean(x, w),
        FLOAT_CLIENTS,
        FederatedType(weight_type, CLIENTS),
    )
    weights = np.array([1, 1, 2], weight_type).tolist()
    assert program([1.0, 2.0, 6.0], weights) == 3.75
    assert np.isnan(program([1.0], np.array([0], weight_type).tolist()))


def test_means_of_structures():
    member = collections.OrderedDict(a=np.float32, b=TensorType(np.float32, [2]))
    mean = run(
        lambda x: intrinsics.federated_mean(x),
        [FederatedType(member, CLIENTS)],
        [{"a": 1.0, "b": [1.0, 2.0]}, {"a": 3.0, "b": [5.0, 2.0]}],
    )
    assert isinstance(mean, collections.OrderedDict)
    np.testing.assert_equal(mean, {"a": 2.0, "b": [3.0, 2.0]})


def test_a_broadcast_reaches_every_client():
    def program(s, c):
        sent = intrinsics.federated_broadcast(s)
        return intrinsics.federated_sum(intrinsics.federated_map(add, (sent, c)))

    assert run(program, [INT_SERVER, INT_CLIENTS], 10, [1, 2, 3]) == 36


def test_maps():
    assert run(lambda x: intrinsics.federated_map(add_half, x), [FLOAT_CLIENTS], [1.0, 3.0]) == [
        1.5,
        3.5,
    ]
    server = FederatedType(np.float32, SERVER)
    assert run(lambda x: intrinsics.federated_map(add_half, x), [server], 3.0) == 3.5


def test_evaluation_and_values():
    five = portable_computation(lambda: np.int32(5))
    assert run(lambda: intrinsics.federated_eval(five, SERVER), []) == 5
    assert run(lambda: intrinsics.federated_value(10, SERVER), []) == 10
    assert run(lambda: intrinsics.federated_value(10, CLIENTS), []) == 10


def test_evaluation_at_the_clients_gives_each_its_own():
    def program(x):
        five = intrinsics.federated_eval(portable_computation(lambda: np.int32(5)), CLIENTS)
        return intrinsics.federated_map(add, (x, five))

    assert run(program, [INT_CLIENTS], [1, 2]) == [6, 7]


def test_structures_of_constants_can_be_placed():
    value = run(
        lambda: intrinsics.federated_value(collections.OrderedDict(a=1.0, b=(True, "x")), SERVER),
        [],
    )
    assert value == {"a": 1.0, "b": (True, b"x")}


def test_zips():
    program = federated_computation(
        lambda x, y: intrinsics.federated_zip([x, y]), INT_CLIENTS, FederatedType(np.bool_, CLIENTS)
    )
    assert program([1, 2], [True, False]) == [[1, True], [2, False]]


def test_zips_with_what_all_have():
    def program(x, y):
        return intrinsics.federated_zip((x, intrinsics.federated_broadcast(y)))

    assert run(program, [INT_CLIENTS, INT_SERVER], [1, 2], 5) == [(1, 5), (2, 5)]


def test_a_parameter_that_all_have_is_given_once():
    same = FederatedType(np.int32, CLIENTS, all_equal=True)
    program = federated_computation(
        lambda x, y: (x, intrinsics.federated_sum(intrinsics.federated_map(add, (x, y)))),
        same,
        INT_CLIENTS,
    )
    assert program(10, [1, 2, 3]) == (10, 36)


def test_a_function_that_wants_values_of_each_client_takes_one_that_all_have():
    total = federated_computation(lambda x: intrinsics.federated_sum(x), INT_CLIENTS)

    def program(x, y):
        return total(intrinsics.federated_broadcast(x)), intrinsics.federated_sum(y)

    assert run(program, [INT_SERVER, INT_CLIENTS], 5, [1, 2, 3]) == (15, 6)


def test_nested_zips_at_the_server():
    def program(x, y):
        nested = collections.OrderedDict(c=y)
        return intrinsics.federated_zip(collections.OrderedDict(a=x, b=nested))

    specs = [INT_SERVER, FederatedType(np.bool_, SERVER)]
    assert run(program, specs, 1, True) == {"a": 1, "b": {"c": True}}


Accumulator = collections.namedtuple("Accumulator", ["sum", "count"])


def test_aggregates():
    zero = portable_computation(lambda: Accumulator(np.float32(0), np.float32(0)))
    state = zero.type_signature.result
    accumulate = portable_computation(
        lambda a, x: Accumulator(a.sum + x, a.count + 1), state, np.float32
    )
    merge = portable_computation(
        lambda a, b: Accumulator(a.sum + b.sum, a.count + b.count), state, state
    )
    report = portable_computation(lambda a: a.sum / a.count, state)
    program = federated_computation(
        lambda x: intrinsics.federated_aggregate(x, zero(), accumulate, merge, report),
        FLOAT_CLIENTS,
    )
    assert program([1.0, 2.0, 6.0]) == 3.0
    assert program([float(i) for i in range(201)]) == 100.0
    assert np.isnan(program([]))


def test_sequences_are_reduced_mapped_and_summed():
    numbers = SequenceType(np.int32)
    assert run(lambda s: local_intrinsics.sequence_reduce(s, 0, add), [numbers], [1, 2, 3]) == 6
    assert run(lambda s: local_intrinsics.sequence_sum(s), [numbers], [1, 2, 3]) == 6
    assert run(lambda s: local_intrinsics.sequence_sum(s), [numbers], []) == 0
    assert run(lambda s: local_intrinsics.sequence_map(triple, s), [numbers], [1, 2]) == [3, 6]


def test_sequences_at_the_clients():
    def program(data):
        tripled = local_intrinsics.sequence_map(triple, data)
        return intrinsics.federated_sum(local_intrinsics.sequence_reduce(tripled, 0, add))

    numbers = FederatedType(SequenceType(np.int32), CLIENTS)
    assert run(program, [numbers], [[1, 2], [], [3]]) == 18


def test_the_identity_returns_its_argument():
    spec = collections.OrderedDict(a=INT_SERVER, b=INT_CLIENTS)
    argument = collections.OrderedDict(a=1, b=[2, 3])
    assert run(lambda x: x, [spec], argument) == argument


def test_results_can_be_rearranged():
    result = run(lambda x: (x[1], x[0]), [[INT_SERVER, FLOAT_CLIENTS]], [1, [2.0]])
    assert result == ([2.0], 1)


def test_elements_of_clients_can_be_selected():
    member = collections.OrderedDict(a=np.int32, b=np.float32)
    clients = [{"a": 1, "b": 2.0}, {"a": 1, "b": 3.0}]
    assert run(lambda x: x.b, [FederatedType(member, CLIENTS)], clients) == [2.0, 3.0]


def test_functions_are_arguments():
    program = federated_computation(
        lambda g, x: g(g(x)), FunctionType(np.int32, np.int32), np.int32
    )
    assert program(triple, 2) == 18
    assert program(portable_computation(lambda x: x + 1, np.int32), 2) == 4
    assert program(portable_computation(lambda x: x + 1), 2) == 4


def test_computations_call_computations():
    inner = federated_computation(lambda x: intrinsics.federated_sum(x), INT_CLIENTS)

    @federated_computation(INT_CLIENTS)
    def outer(x):
        return collections.OrderedDict(
            s=inner(x), t=intrinsics.federated_sum(intrinsics.federated_map(triple, x))
        )

    assert outer([1, 2, 6]) == {"s": 9, "t": 27}


def test_values_without_placement_reach_mapped_functions():
    def program(x, y):
        larger = triple(y)
        return intrinsics.federated_map(
            federated_computation(lambda v: add(v, v), np.int32), x
        ), larger

    assert run(program, [INT_CLIENTS, np.int32], [1, 2], 5) == ([2, 4], 15)


def test_two_rounds_in_one_program():
    def program(x):
        doubled = intrinsics.federated_map(triple, x)
        total = intrinsics.federated_broadcast(intrinsics.federated_sum(doubled))
        return intrinsics.federated_sum(intrinsics.federated_map(add, (doubled, total)))

    assert run(program, [INT_CLIENTS], list(range(10))) == 135 * 11


@federated_computation(np.int32)
def with_key(x):
    return x, local_intrinsics.random_key()


def drawn_keys(client_count: int) -> list[list[int]]:
    results = run(
        lambda x: intrinsics.federated_map(with_key, x), [INT_CLIENTS], list(range(client_count))
    )
    return [key.tolist() for _, key in results]


def test_random_keys_differ_between_clients_and_calls():
    keys = drawn_keys(20) + drawn_keys(20)
    assert len({tuple(key) for key in keys}) == 40


def test_random_keys_depend_on_the_seed_and_the_call_alone():
    first_keys = []
    for create in (
        execution_contexts.create_local_context,
        execution_contexts.create_reference_context,
    ):
        with contexts.install(create(seed=9)):
            first_keys.append([drawn_keys(3), drawn_keys(3)])
    assert first_keys[0] == first_keys[1]


@federated_computation(np.int32)
def with_two_keys(x):
    return x, local_intrinsics.random_key(), local_intrinsics.random_key()


def draw_six_times(x):
    first = intrinsics.federated_map(with_two_keys, x)
    second = intrinsics.federated_map(with_two_keys, x)
    total = intrinsics.federated_broadcast(intrinsics.federated_sum(x))
    third = intrinsics.federated_map(with_two_keys, total)
    return intrinsics.federated_zip((first, second, third))


def test_every_draw_of_a_client_gives_another_key():
    results = run(draw_six_times, [INT_CLIENTS], [1, 2, 3])
    keys = [key.tolist() for client in results for _, *pair in client for key in pair]
    assert len({tuple(key) for key in keys}) == 18


def test_every_engine_draws_the_same_keys_whatever_is_left_out():
    found = []
    for create in (
        execution_contexts.create_local_context,
        execution_contexts.create_reference_context,
    ):
        with contexts.install(create(seed=9)):
            results = run(
                lambda x: intrinsics.federated_map(lambda y: y[2][1:], draw_six_times(x)),
                [INT_CLIENTS],
                [1, 2],
            )
            found.append([[key.tolist() for key in pair] for pair in results])
    assert found[0] == found[1]


def test_a_key_cannot_be_drawn_for_every_element_of_a_sequence():
    def draw_each(data):
        return local_intrinsics.sequence_map(with_key, data)

    numbers = SequenceType(np.int32)
    with pytest.raises((errors.PlacementError, errors.ClientError), match="sequence"):
        run(
            lambda x: intrinsics.federated_map(federated_computation(draw_each, numbers), x),
            [FederatedType(numbers, CLIENTS)],
            [[1, 2]],
        )


def test_a_key_cannot_be_drawn_in_an_aggregation():
    @portable_computation((np.int64, [2]), np.int32)
    def drawn_sum(key, x):
        return x

    @federated_computation(np.int32, np.int32)
    def accumulate(total, x):
        return add(total, drawn_sum(local_intrinsics.random_key(), x))

    identity = federated_computation(lambda x: x, np.int32)
    with pytest.raises(errors.PlacementError, match="random"):
        run(
            lambda x: intrinsics.federated_aggregate(x, 0, accumulate, add, identity),
            [INT_CLIENTS],
            [1, 2],
        )


def test_a_context_without_a_seed_draws_one():
    keys = []
    for _ in range(2):
        with contexts.install(execution_contexts.create_local_context()):
            keys.append(drawn_keys(1))
    assert keys[0] != keys[1]


def test_arguments_are_checked():
    program = federated_computation(lambda x: intrinsics.federated_sum(x), INT_CLIENTS)
    with pytest.raises(errors.InvalidNonAllEqualValueError):
        program(10)
    with pytest.raises(TypeError):
        program(["a"])


def test_numbers_of_clients_are_checked():
    program = federated_computation(
        lambda x, w: intrinsics.federated_mean(x, w), FLOAT_CLIENTS, FLOAT_CLIENTS
    )
    with pytest.raises(ValueError, match="number of clients"):
        program([1.0, 2.0], [1.0])


def test_threads_can_share_a_context():
    program = federated_computation(
        lambda x: intrinsics.federated_sum(intrinsics.federated_map(triple, x)), INT_CLIENTS
    )

    def call(number: int):
        return contexts_of_test[0].invoke(program, [number, number])

    contexts_of_test = [contexts.current()]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(call, range(20))) == [6 * number for number in range(20)]


def test_what_was_compiled_goes_with_the_computation():
    program = federated_computation(lambda x: intrinsics.federated_sum(x), INT_CLIENTS)
    assert program([1]) == 1
    watched = weakref.ref(program)
    del program
    gc.collect()
    assert watched() is None


def test_division_by_zero_gives_no_warning():
    divide = portable_computation(lambda x, y: x / y, np.float32, np.float32)
    assert np.isnan(divide(0.0, 0.0))
    assert divide(1.0, 0.0) == np.inf


def test_types_of_results_are_those_declared():
    program = federated_computation(
        lambda x: {"a": x, "b": [x]}, types.to_type((np.float32, [None]))
    )
    result = program([1.0, 2.0])
    assert list(result) == ["a", "b"]
    assert isinstance(result["b"], list)
    assert result["a"].dtype == np.float32
