"""Forms of hand-made rounds of every shape, their types, and what is refused."""

from __future__ import annotations

import collections
from typing import Any, NamedTuple

import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.compiler import call_dominant, rounds
from tensorflow_federated.core import contexts as context_stack
from tensorflow_federated.core import local_intrinsics, traversal
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.execution import contexts
from tensorflow_federated.jax import portable_computation

mapreduce = tff.backends.mapreduce

AT_SERVER = tff.FederatedType(np.int32, tff.SERVER)
AT_CLIENTS = tff.FederatedType(np.int32, tff.CLIENTS)
FLOATS = tff.FederatedType(np.float32, tff.CLIENTS)


@tff.jax.computation(np.int32, np.int32)
def add(x, y):
    return x + y


@tff.jax.computation(np.int32)
def same(x):
    return x


@tff.jax.computation
def seven():
    return 7


class Model(NamedTuple):
    weights: Any
    step: Any


MODEL = Model((np.float32, [2]), np.int32)


@portable_computation(MODEL, (np.float32, [2]))
def move(model, gradient):
    return Model(model.weights - gradient, model.step + 1)


@portable_computation(np.float32, (np.float32, [2]))
def gradient_of(x, weights):
    return weights * x


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def sum_of_values(state, data):
    total = tff.federated_sum(data)
    return tff.federated_map(add, (state, total)), total


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def sum_with_broadcast(state, data):
    sent = tff.federated_broadcast(state)
    total = tff.federated_sum(tff.federated_map(add, (data, sent)))
    return tff.federated_map(add, (state, total)), tff.federated_value([], tff.SERVER)


@tff.federated_computation(
    AT_SERVER, tff.FederatedType(collections.OrderedDict(v=np.float32, w=np.float32), tff.CLIENTS)
)
def weighted_mean(state, data):
    return state, tff.federated_mean(data.v, data.w)


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def fold_from_a_call(state, data):
    return state, tff.federated_aggregate(data, seven(), add, add, same)


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def all_kinds(state, data):
    sent = tff.federated_broadcast(state)
    return state, collections.OrderedDict(
        plain=tff.federated_sum(data),
        by_width=tff.federated_secure_sum_bitwidth(data, 8),
        by_bound=tff.federated_secure_sum(data, 100),
        modular=mapreduce.federated_secure_modular_sum(data, 100),
        second=tff.federated_secure_sum(tff.federated_map(add, (data, sent)), 100),
    )


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def data_unused(state, data):
    del data
    return tff.federated_map(add, (state, state)), tff.federated_value(1, tff.SERVER)


@tff.federated_computation(tff.FederatedType([], tff.SERVER), AT_CLIENTS)
def without_state(state, data):
    return state, tff.federated_max(data)


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def sent_and_kept(state, data):
    both = tff.federated_map(add, (state, tff.federated_eval(seven, tff.SERVER)))
    moved = tff.federated_map(add, (data, tff.federated_broadcast(both)))
    return both, tff.federated_map(add, (both, tff.federated_sum(moved)))


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def constants_at_clients(state, data):
    values = [
        tff.federated_value(5, tff.CLIENTS),
        tff.federated_value(seven(), tff.CLIENTS),
        tff.federated_eval(seven, tff.CLIENTS),
    ]
    for value in values:
        data = tff.federated_map(add, (data, value))
    return state, tff.federated_sum(data)


@tff.federated_computation(tff.FederatedType(MODEL, tff.SERVER), FLOATS)
def named_tuple_state(model, data):
    weights = tff.federated_broadcast(model.weights)
    mean = tff.federated_mean(tff.federated_map(gradient_of, (data, weights)))
    return tff.federated_map(move, (model, mean)), collections.OrderedDict(mean=mean, old=model)


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def named_results(server_state, client_data):
    return collections.OrderedDict(
        new_state=server_state, out=(tff.federated_sum(client_data), [server_state])
    )


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def empty_output(state, data):
    return tff.federated_map(add, (state, tff.federated_sum(data))), ()


@tff.federated_computation(AT_SERVER, tff.FederatedType(np.int32, tff.CLIENTS, all_equal=True))
def one_value_for_all(state, data):
    return state, tff.federated_min(data)


@tff.federated_computation(AT_SERVER, tff.FederatedType(tff.SequenceType(np.int32), tff.CLIENTS))
def sequences(state, data):
    last = tff.sequence_reduce(data, np.int32(1), add)
    return state, (tff.federated_sum(last), tff.federated_sum(tff.sequence_sum(data)))


@tff.jax.computation((np.float32, [3]), np.int32)
def row(table, key):
    return table[key]


@tff.federated_computation(
    tff.FederatedType((np.float32, [3]), tff.SERVER),
    tff.FederatedType((np.int32, [2]), tff.CLIENTS),
)
def selection(table, keys):
    rows = tff.federated_select(keys, tff.federated_value(3, tff.SERVER), table, row)
    return table, tff.federated_sum(tff.sequence_sum(rows))


ROUNDS: dict[str, tuple[ConcreteComputation, Any, Any]] = {
    "sum": (sum_of_values, 3, [1, 2, 4]),
    "sum with broadcast": (sum_with_broadcast, 3, [1, 2, 4]),
    "weighted mean": (weighted_mean, 3, [{"v": 1.0, "w": 3.0}, {"v": 5.0, "w": 1.0}]),
    "fold from a call": (fold_from_a_call, 3, [1, 2]),
    "all kinds": (all_kinds, 3, [60, 70, 5]),
    "data unused": (data_unused, 3, [1, 2]),
    "without state": (without_state, (), [4, -1]),
    "without clients": (without_state, (), []),
    "sent and kept": (sent_and_kept, 3, [1, 2]),
    "constants at clients": (constants_at_clients, 3, [1, 2]),
    "named tuple state": (named_tuple_state, Model([1.0, 2.0], 0), [0.5, 1.5]),
    "named results": (named_results, 3, [1, 2]),
    "empty output": (empty_output, 3, [1, 2]),
    "one value for all": (one_value_for_all, 3, 4),
    "sequences": (sequences, 3, [[1, 2], [], [5]]),
    "selection": (selection, [1.0, 10.0, 100.0], [[0, 1], [2, 2]]),
}


def through_map_reduce_form(computation):
    form = mapreduce.get_map_reduce_form_for_computation(computation)
    return mapreduce.get_computation_for_map_reduce_form(form)


def through_distribute_aggregate_form(computation):
    form = mapreduce.get_distribute_aggregate_form_for_computation(computation)
    return mapreduce.get_computation_for_distribute_aggregate_form(form)


THROUGH = [through_map_reduce_form, through_distribute_aggregate_form]


@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("name", ROUNDS)
def test_the_computation_of_a_form_is_the_round(name, through, engine):
    original, state, data = ROUNDS[name]
    again = through(original)
    assert again.type_signature.is_identical_to(original.type_signature)
    assert repr(again(state, data)) == repr(original(state, data))


@pytest.mark.parametrize("name", ROUNDS)
def test_a_map_reduce_form_has_these_parts(name, golden):
    form = mapreduce.get_map_reduce_form_for_computation(ROUNDS[name][0])
    lines: list[str] = []
    form.summary(lines.append)
    golden.check(f"map-reduce form of: {name}", "\n".join(lines))


@pytest.mark.parametrize("name", ROUNDS)
def test_a_distribute_aggregate_form_has_these_parts(name, golden):
    form = mapreduce.get_distribute_aggregate_form_for_computation(ROUNDS[name][0])
    lines: list[str] = []
    form.summary(lines.append)
    golden.check(f"distribute-aggregate form of: {name}", "\n".join(lines))


def test_the_round_is_cut_where_values_change_their_place(golden):
    form = mapreduce.get_distribute_aggregate_form_for_computation(all_kinds)
    parts = [
        form.server_prepare,
        form.server_to_client_broadcast,
        form.client_work,
        form.client_to_server_aggregation,
        form.server_result,
    ]
    golden.check(
        "programs of: all kinds",
        "\n".join(each.to_building_block().formatted_representation() for each in parts),
    )


@pytest.mark.parametrize("name", ROUNDS)
def test_every_part_is_well_formed(name):
    computation = ROUNDS[name][0]
    reduced = mapreduce.get_map_reduce_form_for_computation(computation)
    distributed = mapreduce.get_distribute_aggregate_form_for_computation(computation)
    parts = [
        each
        for form in (reduced, distributed)
        for each in vars(form).values()
        if isinstance(each, dict)
        for each in each.values()
    ]
    assert len(parts) == 15
    for part in parts:
        traversal.check_ir(part.to_building_block(), unique_names=True)


def test_a_form_says_whether_sums_are_secure():
    plain = mapreduce.get_map_reduce_form_for_computation(sum_of_values)
    secure = mapreduce.get_map_reduce_form_for_computation(all_kinds)
    assert (plain.securely_aggregates_tensors, secure.securely_aggregates_tensors) == (False, True)


def test_a_form_knows_the_names_of_the_parameters():
    form = mapreduce.get_map_reduce_form_for_computation(named_results)
    assert (form.server_state_label, form.client_data_label) == ("server_state", "client_data")


def test_the_parameters_of_secure_sums_are_parts():
    form = mapreduce.get_map_reduce_form_for_computation(all_kinds)
    given = (
        form.secure_sum_bitwidth(),
        form.secure_sum_max_input(),
        form.secure_modular_sum_modulus(),
    )
    assert given == ((8,), (100, 100), (100,))


@pytest.mark.parametrize("through", THROUGH)
def test_a_secure_sum_stays_secure(through):
    again = through(all_kinds)
    context = tff.backends.native.create_sync_local_cpp_execution_context(simulate_secure=False)
    with context_stack.install(context), pytest.raises(ValueError, match="secure"):
        again(3, [1, 2])


def test_what_the_server_computes_twice_in_one_form_is_kept_in_the_other(engine):
    distributed = mapreduce.get_distribute_aggregate_form_for_computation(sent_and_kept)
    assert distributed.server_prepare(3) == collections.OrderedDict(
        intrinsic_args_from_before_comp=(10,), intermediate_state=(10,)
    )
    reduced = mapreduce.get_map_reduce_form_for_computation(sent_and_kept)
    assert reduced.prepare(3) == (10,)
    assert reduced.update(3, ((5,), (), (), ())) == (10, 15)


def test_work_of_the_server_that_the_clients_do_not_need_comes_last():
    @tff.federated_computation(AT_SERVER, AT_CLIENTS)
    def late(state, data):
        doubled = tff.federated_map(add, (state, state))
        return doubled, tff.federated_sum(data)

    form = mapreduce.get_distribute_aggregate_form_for_computation(late)
    bindings, _ = call_dominant.open_lambda(form.server_prepare.node)
    assert bindings == ()


@pytest.mark.parametrize("state_type", [np.int32, [AT_SERVER, AT_SERVER]], ids=str)
def test_a_distribute_aggregate_form_takes_any_state_that_is_not_at_the_clients(state_type, engine):
    @tff.federated_computation(state_type, [AT_CLIENTS, AT_CLIENTS])
    def any_state(state, data):
        return state, tff.federated_sum(data[1])

    again = through_distribute_aggregate_form(any_state)
    assert again.type_signature.is_identical_to(any_state.type_signature)
    state = 3 if state_type is np.int32 else [3, 4]
    assert again(state, [[1, 2], [3, 4]]) == any_state(state, [[1, 2], [3, 4]])


def test_a_distribute_aggregate_form_needs_no_data(engine):
    @tff.federated_computation(AT_SERVER, [[], []])
    def without_data(state, data):
        ones = tff.federated_value(1, tff.CLIENTS)
        return state, (tff.federated_sum(ones), data)

    again = through_distribute_aggregate_form(without_data)
    assert again.type_signature.is_identical_to(without_data.type_signature)
    assert again(3, [[], []]) == without_data(3, [[], []])


@pytest.mark.parametrize("through", THROUGH)
def test_clients_draw_the_keys_that_they_draw_in_the_round(through):
    @tff.federated_computation(np.int32)
    def draw(x):
        return x, local_intrinsics.random_key()

    @tff.federated_computation(AT_SERVER, AT_CLIENTS)
    def draws(state, data):
        once = tff.federated_map(draw, data)
        twice = tff.federated_map(draw, tff.federated_map(add, (data, data)))
        return state, (tff.federated_sum(twice[1]), tff.federated_sum(once[1]))

    results = []
    for computation in (draws, through(draws)):
        with context_stack.install(contexts.create_local_context(seed=7)):
            results.append(repr(computation(0, [1, 2, 3])))
    assert results[0] == results[1]


def test_a_program_can_be_changed_first(engine):
    def with_another_output(node):
        assert node is sum_of_values.to_building_block()
        return fold_from_a_call.to_building_block()

    for form in (
        mapreduce.get_map_reduce_form_for_computation(
            sum_of_values, tff_internal_preprocessing=with_another_output
        ),
        mapreduce.get_distribute_aggregate_form_for_computation(
            sum_of_values, tff_internal_preprocessing=with_another_output
        ),
    ):
        compute = {
            mapreduce.MapReduceForm: mapreduce.get_computation_for_map_reduce_form,
            mapreduce.DistributeAggregateForm: (
                mapreduce.get_computation_for_distribute_aggregate_form
            ),
        }[type(form)](form)
        assert compute(1, [2, 3]) == fold_from_a_call(1, [2, 3])


def test_a_configuration_of_grappler_has_no_effect():
    form = mapreduce.get_map_reduce_form_for_computation(sum_of_values, object())
    assert str(form.zero.type_signature) == "( -> <int32>)"


def test_the_check_gives_the_program_of_the_form():
    program = mapreduce.check_computation_compatible_with_map_reduce_form(weighted_mean)
    bindings, _ = call_dominant.open_lambda(program)
    assert "federated_sum" in {str(call.function) for _, call in bindings}
    traversal.check_ir(program, unique_names=True)
    assert isinstance(rounds.cut_round(program), rounds.Round)


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def two_rounds(state, data):
    mean = tff.federated_max(data)
    moved = tff.federated_map(add, (data, tff.federated_broadcast(mean)))
    return state, tff.federated_sum(moved)


@tff.federated_computation(AT_SERVER)
def one_parameter(state):
    return state


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def one_result(state, data):
    return tff.federated_sum(data)


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def result_at_the_clients(state, data):
    return state, data


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def another_state(state, data):
    return tff.federated_value(1.0, tff.SERVER), tff.federated_sum(data)


@tff.federated_computation(AT_CLIENTS, AT_SERVER)
def the_clients_first(data, state):
    return state, tff.federated_sum(data)


@tff.federated_computation(AT_SERVER, AT_CLIENTS)
def collection(state, data):
    return state, tff.federated_collect(data)


@tff.federated_computation(AT_SERVER, tff.FederatedType((np.float32, [None]), tff.CLIENTS))
def unknown_size(state, data):
    return state, tff.federated_sum(data)


@tff.federated_computation(
    tff.FederatedType((np.float32, [3]), tff.SERVER),
    tff.FederatedType((np.int32, [2]), tff.CLIENTS),
)
def secret_selection(table, keys):
    rows = tff.federated_secure_select(keys, tff.federated_value(3, tff.SERVER), table, row)
    return table, tff.federated_sum(tff.sequence_sum(rows))


REFUSED = {
    "two rounds": (two_rounds, ValueError),
    "one parameter": (one_parameter, TypeError),
    "one result": (one_result, TypeError),
    "result at the clients": (result_at_the_clients, TypeError),
    "another state": (another_state, TypeError),
    "the clients first": (the_clients_first, TypeError),
    "secret selection": (secret_selection, ValueError),
    "no computation": (lambda state, data: (state, data), TypeError),
    "a local computation": (add, TypeError),
}
REFUSED_BY_MAP_REDUCE = {
    "collection": (collection, ValueError),
    "unknown size": (unknown_size, TypeError),
    "unplaced state": (
        tff.federated_computation(lambda s, d: (s, s), np.int32, AT_CLIENTS),
        TypeError,
    ),
}


@pytest.mark.parametrize("name", [*REFUSED, *REFUSED_BY_MAP_REDUCE])
def test_what_a_map_reduce_form_refuses(name, golden):
    computation, cls = {**REFUSED, **REFUSED_BY_MAP_REDUCE}[name]
    with pytest.raises(cls) as raised:
        mapreduce.get_map_reduce_form_for_computation(computation)
    golden.check(
        f"no map-reduce form: {name}", f"{type(raised.value).__qualname__}: {raised.value}"
    )
    with pytest.raises(cls):
        mapreduce.check_computation_compatible_with_map_reduce_form(computation)


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_distribute_aggregate_form_refuses(name, golden):
    computation, cls = REFUSED[name]
    with pytest.raises(cls) as raised:
        mapreduce.get_distribute_aggregate_form_for_computation(computation)
    golden.check(
        f"no distribute-aggregate form: {name}",
        f"{type(raised.value).__qualname__}: {raised.value}",
    )


def test_a_collection_has_its_place_in_a_distribute_aggregate_form(engine):
    again = through_distribute_aggregate_form(collection)
    assert again(0, [3, 1, 2]) == (0, [3, 1, 2])


@pytest.mark.parametrize(
    "compute",
    [
        mapreduce.get_computation_for_broadcast_form,
        mapreduce.get_computation_for_distribute_aggregate_form,
        mapreduce.get_computation_for_map_reduce_form,
    ],
)
def test_a_computation_is_made_of_the_form_that_it_is_named_for(compute):
    with pytest.raises(TypeError, match="this is made of a"):
        compute(sum_of_values)
