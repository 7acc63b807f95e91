"""Pytrees through computations: what goes in and what comes out has the same containers."""

from __future__ import annotations

import collections
import dataclasses
import functools
from typing import Any, NamedTuple

import attrs
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff

VECTOR = tff.TensorType(np.float32, [3])


class Point(NamedTuple):
    x: Any
    y: Any


@attrs.define
class Attrs:
    x: Any
    y: Any


@dataclasses.dataclass
class Plain:
    x: Any
    y: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Registered:
    x: Any
    y: Any


class Module:
    """A base in the way of Equinox: every class is a frozen dataclass, and a pytree."""

    def __init_subclass__(cls) -> None:
        own_init = "__init__" in cls.__dict__
        dataclasses.dataclass(eq=False, frozen=True, init=not own_init)(cls)
        names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        jax.tree_util.register_pytree_with_keys(
            cls,
            lambda module: (
                [(jax.tree_util.GetAttrKey(name), getattr(module, name)) for name in names],
                None,
            ),
            functools.partial(_rebuilt, cls, names),
        )


def _rebuilt(cls, names, _, children):
    module = object.__new__(cls)
    for name, child in zip(names, children, strict=True):
        object.__setattr__(module, name, child)
    return module


class Linear(Module):
    weight: Any
    bias: Any

    def __init__(self, size: int) -> None:
        object.__setattr__(self, "weight", jnp.ones([size, 2]))
        object.__setattr__(self, "bias", jnp.zeros([2]))

    def __call__(self, x):
        return x @ self.weight + self.bias


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class WithStatic:
    weight: Any
    activation: Any = dataclasses.field(metadata={"static": True})


@jax.tree_util.register_pytree_node_class
class Custom:
    def __init__(self, value):
        self.value = value

    def tree_flatten(self):
        return (self.value,), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)


@pytest.mark.parametrize("container", [Point, Attrs, Plain, Registered])
def test_a_container_goes_in_and_comes_out(engine, container):
    seen = []

    def swap(value):
        seen.append(type(value))
        return container(value.y, value.x)

    computation = tff.jax.computation(swap, tff.to_type(container(np.int32, np.float32)))
    assert str(computation.type_signature) == "(<x=int32,y=float32> -> <x=float32,y=int32>)"
    assert computation(container(1, 2.0)) == container(np.float32(2.0), np.int32(1))
    assert set(seen) == {container}


def test_containers_nest(engine):
    spec = Point(
        [np.int32, {"a": VECTOR}], (Attrs(np.bool_, ()), collections.OrderedDict(b=VECTOR))
    )
    computation = tff.jax.computation(lambda value: value, tff.to_type(spec))
    given = Point(
        [1, {"a": np.ones(3, np.float32)}],
        (Attrs(True, ()), collections.OrderedDict(b=np.zeros(3, np.float32))),
    )
    result = computation(given)
    assert jax.tree.structure(jax.tree.map(np.shape, result, is_leaf=_is_attrs)) == (
        jax.tree.structure(jax.tree.map(np.shape, given, is_leaf=_is_attrs))
    )
    assert result.y[0] == Attrs(np.True_, ())


def _is_attrs(value):
    return isinstance(value, Attrs)


def test_a_module_is_rebuilt_without_its_own_init(engine):
    create = tff.jax.computation(lambda: Linear(3))
    assert str(create.type_signature) == "( -> <weight=float32[3,2],bias=float32[2]>)"

    @tff.jax.computation(create.type_signature.result, VECTOR)
    def step(module, x):
        loss, gradient = jax.value_and_grad(lambda m: jnp.sum(m(x) ** 2))(module)
        return jax.tree.map(lambda w, g: w - 0.1 * g, module, gradient), loss

    module = create()
    assert isinstance(module, Linear)
    updated, loss = step(module, [1.0, 0.0, 0.0])
    assert isinstance(updated, Linear)
    assert loss == 2.0
    np.testing.assert_allclose(updated.bias, [-0.2, -0.2])


class EmptyState(NamedTuple):
    """An optimizer's state that holds nothing, as Optax has it."""


class AdamState(NamedTuple):
    count: Any
    mu: Any
    nu: Any


PARAMETERS = {"w": np.ones([3], np.float32), "b": np.float32(0)}


def initial_state(parameters):
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    return EmptyState(), (AdamState(jnp.zeros([], jnp.int32), zeros, zeros), EmptyState()), None


def updated(state, gradients):
    _, (adam, _), _ = state
    mu = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, adam.mu, gradients)
    nu = jax.tree.map(lambda n, g: 0.99 * n + 0.01 * g**2, adam.nu, gradients)
    return EmptyState(), (AdamState(adam.count + 1, mu, nu), EmptyState()), None


def test_the_state_of_an_optimizer_keeps_its_form_over_calls(engine):
    parameters_type = tff.to_type({"w": VECTOR, "b": np.float32})
    init = tff.jax.computation(initial_state, parameters_type)
    state_type = init.type_signature.result
    step = tff.jax.computation(updated, state_type, parameters_type)
    assert step.type_signature.result.is_identical_to(state_type)
    state = init(PARAMETERS)
    for _ in range(2):
        state = step(state, PARAMETERS)
    empty, (adam, also_empty), nothing = state
    assert (type(empty), type(also_empty), nothing) == (EmptyState, EmptyState, None)
    assert adam.count == 2
    np.testing.assert_allclose(adam.mu["w"], np.full(3, 0.19), rtol=1e-6)
    assert jax.tree.structure(state) == jax.tree.structure(initial_state(PARAMETERS))


def test_none_inside_of_a_structure_is_a_structure_without_elements(engine):
    computation = tff.jax.computation(lambda x: {"kept": x, "dropped": None}, np.int32)
    assert str(computation.type_signature) == "(int32 -> <dropped=<>,kept=int32>)"
    assert computation(1) == {"kept": 1, "dropped": None}


def test_none_survives_a_federated_computation(engine):
    init = tff.jax.computation(lambda: (jnp.float32(1), None))
    state_type = init.type_signature.result
    double = tff.jax.computation(lambda state: (2 * state[0], state[1]), state_type)

    @tff.federated_computation(tff.FederatedType(state_type, tff.SERVER))
    def next_fn(state):
        at_clients = tff.federated_map(double, tff.federated_broadcast(state))
        return tff.federated_map(double, state), at_clients

    assert next_fn((np.float32(3), None))[0] == (6.0, None)


def test_structures_with_none_are_averaged(engine):
    member = tff.jax.computation(lambda: (jnp.float32(1), None)).type_signature.result
    process = tff.aggregators.MeanFactory().create(member, tff.to_type(np.float32))
    values = [(np.float32(1), None), (np.float32(4), None)]
    assert process.next(process.initialize(), values, [1.0, 2.0]).result == (3.0, ())
    mean = tff.federated_computation(tff.federated_mean, tff.FederatedType(member, tff.CLIENTS))
    assert mean(values) == (2.5, None)


def test_none_travels_as_bytes(engine):
    computation = tff.jax.computation(lambda x: (x, None), np.int32)
    travelled = tff.framework.deserialize_computation(
        tff.framework.serialize_computation(computation)
    )
    assert travelled.type_signature.is_identical_to(computation.type_signature)
    assert travelled(3) == (3, None)


def test_a_dict_of_the_parameter_keeps_its_order(engine):
    model_type = tff.to_type({"weights": np.float32, "bias": np.float32})

    @tff.jax.computation(model_type)
    def step(model):
        # `jax.grad` and `jax.tree.map` sort the keys of a dict.
        return jax.tree.map(lambda w, g: w - g, model, jax.grad(lambda m: m["weights"] ** 2)(model))

    assert str(step.type_signature.result) == "<weights=float32,bias=float32>"
    assert step({"weights": 1.0, "bias": 5.0}) == {"weights": -1.0, "bias": 5.0}


def test_other_dicts_are_sorted_as_jax_sorts_them(engine):
    computation = tff.jax.computation(lambda x: {"z": x, "a": 2 * x}, np.int32)
    assert str(computation.type_signature) == "(int32 -> <a=int32,z=int32>)"
    assert computation(1) == {"z": 1, "a": 2}


def test_an_ordered_dict_keeps_its_order(engine):
    computation = tff.jax.computation(
        lambda x: collections.OrderedDict([("z", x), ("a", 2 * x)]), np.int32
    )
    assert str(computation.type_signature) == "(int32 -> <z=int32,a=int32>)"
    assert list(computation(1).items()) == [("z", 1), ("a", 2)]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (jax.tree_util.Partial(jnp.add, 1.0), "a `Partial` cannot be built again"),
        (Custom(1.0), "a `Custom` cannot be built again from its arrays"),
        (WithStatic(1.0, "relu"), r"`WithStatic` .* without `activation`"),
        ({1: 2.0}, "the key 1 of a dict is no string"),
        ({"a": [1.0, {2.0}]}, r"result\.a\[1\]: got {2.0}"),
    ],
    ids=["partial", "custom node", "static field", "number as key", "set"],
)
def test_what_cannot_be_built_again_is_refused(result, text):
    with pytest.raises(TypeError, match=text):
        tff.jax.computation(lambda: result)


def test_the_leaves_of_any_pytree_may_be_returned(engine):
    computation = tff.jax.computation(
        lambda x: jax.tree.leaves(Custom(WithStatic(x, "relu"))), np.int32
    )
    assert computation(3) == [3]
