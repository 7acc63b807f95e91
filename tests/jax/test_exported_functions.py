"""JAX computations as bytes: StableHLO, with dimensions that are not known."""

from __future__ import annotations

import collections
import random
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import byte_format, errors
from tensorflow_federated.jax import exported_functions, stablehlo


def travelled(computation):
    return tff.framework.deserialize_computation(tff.framework.serialize_computation(computation))


def assert_same(computation, *arguments):
    expected, found = computation(*arguments), travelled(computation)(*arguments)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert str(found) == str(expected)


def test_structures_and_dtypes():
    @tff.jax.computation([("a", np.int8), ("b", (np.bool_, [2]))], np.float32)
    def fn(pair, x):
        return collections.OrderedDict(z=pair["b"] & (pair["a"] > 0), y=[x, (pair["a"],)])

    assert_same(fn, {"a": 1, "b": [True, False]}, 2.5)


def test_bfloat16_and_64_bits():
    @tff.jax.computation(jnp.bfloat16, np.int64)
    def fn(x, y):
        return x * 2, y * 2**40, jnp.float64(1) / y

    assert_same(fn, jnp.bfloat16(1.5), 3)


def test_random_numbers_and_loops():
    @tff.jax.computation((np.uint32, [2]), np.int32)
    def fn(key, count):
        draw = jax.random.normal(key, [3])
        return draw, jax.lax.fori_loop(0, count, lambda _, x: x * draw[0], 1.0)

    assert_same(fn, np.uint32([1, 2]), 5)


def test_linear_algebra():
    @tff.jax.computation((np.float32, [3, 3]))
    def fn(x):
        return jnp.linalg.cholesky(x @ x.T + jnp.eye(3))

    assert_same(fn, np.arange(9, dtype=np.float32).reshape(3, 3))


def test_no_parameter():
    assert_same(tff.jax.computation(lambda: (jnp.arange(3), 2)))


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_dimension_that_is_not_known_may_have_any_size(rows):
    @tff.jax.computation((np.float32, [None, 3]))
    def fn(x):
        return jnp.sum(x), x[:, 0] + x.shape[0], jnp.concatenate([x, x])

    assert_same(fn, np.ones([rows, 3], np.float32))


def test_two_dimensions_that_are_not_known_may_differ():
    @tff.jax.computation((np.float32, [None]), (np.float32, [None]))
    def fn(x, y):
        return jnp.outer(x, y)

    assert_same(fn, np.float32([1, 2]), np.float32([3, 4, 5]))


def test_two_dimensions_are_equal_where_the_function_needs_it():
    @tff.jax.computation((np.float32, [None, 2]), (np.float32, [None]), (np.float32, [2, None]))
    def fn(x, y, z):
        return x[:, 0] * y, z

    arrays = [np.ones(shape, np.float32) for shape in ([4, 2], [4], [2, 3])]
    assert_same(fn, *arrays)


def test_what_needs_the_size_of_a_dimension_cannot_travel(golden):
    @tff.jax.computation((np.float32, [None]))
    def halves(x):
        first = 0.0
        for _ in range(x.shape[0]):
            first = first + x[0]
        return first

    with pytest.raises(errors.WireError) as caught:
        tff.framework.serialize_computation(halves)
    text = re.sub(r"jax\.export: .*?(?=\n  \w+:)", "jax.export: ...", str(caught.value), flags=re.S)
    golden.check("the size is needed", text)


def test_what_calls_python_cannot_travel():
    @tff.jax.computation(np.float32)
    def fn(x):
        return jax.pure_callback(lambda value: value, jax.ShapeDtypeStruct((), np.float32), x)

    with pytest.raises(errors.WireError, match="Python functions that it calls back"):
        tff.framework.serialize_computation(fn)


@tff.jax.computation((np.float32, [None]))
def norm(x):
    return jnp.sqrt(jnp.sum(jnp.square(x)))


def test_it_can_be_called_in_another_jax_computation():
    loaded = travelled(norm)

    @tff.jax.computation((np.float32, [3, None]))
    def norms(x):
        return jnp.stack([loaded(row) for row in x]), jax.vmap(loaded)(x)

    found, mapped = norms(np.ones([3, 4], np.float32))
    np.testing.assert_array_equal(found, [2, 2, 2])
    np.testing.assert_array_equal(mapped, [2, 2, 2])


def test_the_same_function_gives_the_same_bytes_wherever_it_is_written():
    def make():
        # Another line of the source, other places in the module.
        return tff.jax.computation(lambda x: jnp.sin(x) + 1, np.float32)

    first = tff.framework.serialize_computation(make())
    assert tff.framework.serialize_computation(make()) == first


def test_the_bytes_do_not_name_the_files_of_the_author():
    assert b"test_exported_functions" not in tff.framework.serialize_computation(norm)


def module_text(computation):
    local = computation.to_building_block().computation
    data = exported_functions.encode(local)
    return data[data.index(b"module @") :].decode()


def decoded(computation, text):
    local = computation.to_building_block().computation
    data = exported_functions.encode(local)
    writer = byte_format.Writer()
    writer.blob(text.encode())
    start = len(data) - len(prefixed(module_text(computation)))
    return exported_functions.decode(
        data[:start] + bytes(writer.data),
        local.type_signature,
        local.name,
        byte_format.DEFAULT_LIMITS,
    )


def prefixed(text):
    writer = byte_format.Writer()
    writer.blob(text.encode())
    return writer.data


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("no module", lambda text: "import os"),
        ("a call of Python", lambda text: re.sub(r"@shape_assertion", "@xla_python_cpu", text)),
        ("another type", lambda text: text.replace("f32", "f64")),
        ("another dialect", lambda text: text.replace("stablehlo.sqrt", "gpu.sqrt")),
        ("deep nesting", lambda text: text + "(" * 100_000),
        ("nothing", lambda text: ""),
    ],
)
def test_what_is_no_module_is_refused(name, change, golden):
    @tff.jax.computation((np.float32, [None]))
    def fn(x):
        return jnp.sqrt(jnp.sum(x))

    with pytest.raises(errors.WireError) as caught:
        decoded(fn, change(module_text(fn)))
    golden.check(name, str(caught.value))


def test_texts_that_are_changed_at_random_are_refused_or_read():
    text = module_text(norm)
    main_type = re.search(r"@main\((.*)\) -> (.*) {", text)
    assert main_type is not None
    draw = random.Random(0)
    refused = 0
    for _ in range(300):
        start = draw.randrange(len(text))
        changed = text[:start] + draw.choice('(){}<>%@0"x?') + text[start + draw.randrange(9) :]
        try:
            stablehlo.from_text(changed, "")
        except stablehlo.ModuleError:
            refused += 1
    assert refused == 300
