"""What is told of mistakes in functions on JAX arrays, and where."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import errors

VECTOR = tff.TensorType(np.float32, [3])
ANY_SIZE = tff.TensorType(np.float32, [None])


@tff.tensorflow.computation(np.float32)
def tensorflow_half(x):
    return x / 2


@tff.jax.computation(VECTOR)
def total(x):
    return jnp.sum(x)


kept: list[object] = []


@tff.jax.computation(np.float32)
def leaky(x):
    kept.append(x)
    return x


def traced(fn, *types):
    return lambda: tff.jax.computation(fn, *types)


def python_if(x):
    if jnp.sum(x) > 0:
        return x
    return -x


def forgotten_return(x):
    jnp.sum(x)


MISTAKES = {
    "Python if": traced(python_if, VECTOR),
    "Python if with an unknown size": traced(python_if, ANY_SIZE),
    "Python while": traced(lambda x: [None for _ in iter(lambda: bool(x < 1), False)], np.float32),
    "and": traced(lambda x: x > 0 and x < 1, np.float32),
    "int": traced(lambda x: jnp.zeros(int(x)), np.float32),
    "range": traced(lambda n: [i for i in range(n)], np.int32),
    "index of a list": traced(lambda i: [1.0, 2.0][i], np.int32),
    "condition as an index": traced(lambda x: x[x > 0], VECTOR),
    "numpy function": traced(lambda x: np.sin(x), VECTOR),
    "tensorflow function": traced(lambda x: tf.sin(x), VECTOR),
    "tensorflow computation": traced(lambda x: tensorflow_half(x), np.float32),
    "array of another trace": traced(lambda x: x + kept[0], np.float32),
    "array of another trace as the result": traced(lambda x: kept[0], np.float32),
    "forgotten return": traced(forgotten_return, VECTOR),
    "Python object": traced(lambda x: {"a": x, "b": ["text"]}, VECTOR),
    "inner computation of another type": traced(lambda x: total(x), ANY_SIZE),
    "sequence": traced(lambda data: 1, tff.SequenceType(np.float32)),
    "federated parameter": traced(lambda x: x, tff.FederatedType(np.float32, tff.CLIENTS)),
    "string": traced(lambda x: 1, {"text": np.str_, "x": np.float32}),
    "shapes that do not fit": traced(lambda x: x @ jnp.ones([4, 2]), VECTOR),
    "impossible reshape": traced(lambda x: jnp.reshape(x, [2, 2]), VECTOR),
    "name as an index": traced(lambda x: x["a"], VECTOR),
    "size-dependent form": traced(lambda x: (x, x) if x.shape[0] > 30 else x, ANY_SIZE),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_four_parts(mistake, golden):
    with pytest.raises(errors.FederatedError) as caught:
        MISTAKES[mistake]()
    error = caught.value
    golden.check(mistake, f"{type(error).__qualname__}: {error}")
    assert error.problems
    assert error.signature
    assert str(error.where).startswith("test_mistakes.py:")
    assert error.fix


def test_a_condition_is_found_where_the_user_wrote_it():
    line = python_if.__code__.co_firstlineno + 1
    with pytest.raises(errors.TracedValueError) as caught:
        tff.jax.computation(lambda x: python_if(x), VECTOR)
    assert caught.value.where == f"test_mistakes.py:{line} in `python_if`"


def test_a_computation_made_inside_of_another_may_use_its_arrays(engine):
    @tff.jax.computation(np.float32)
    def outer(x):
        add_outer = tff.jax.computation(lambda y: x + y, np.float32)
        return add_outer(2.0)

    assert outer(1.0) == 3.0


def test_errors_of_jax_about_elements_stay_type_errors():
    with pytest.raises(TypeError):
        tff.jax.computation(python_if, VECTOR)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda x: {}["a"], KeyError),
        (lambda x: x.undefined, AttributeError),
        # JAX leaves its own frames out where a transformation ends, so this looks like the user's.
        (lambda x: jax.lax.scan(lambda c, e: (jnp.stack([c, e]), e), x[0], x), TypeError),
        (lambda x: 1 / 0, ZeroDivisionError),
    ],
)
def test_errors_of_the_users_code_stay_what_they_are_with_a_note(function, kind):
    with pytest.raises(kind) as caught:
        tff.jax.computation(function, VECTOR)
    (note,) = [note for note in caught.value.__notes__ if "was traced by JAX" in note]
    assert note.startswith(
        "while `<lambda>` was traced by JAX for an argument of the type float32[3]"
    )
    assert "test_mistakes.py:" in note


def test_an_error_for_one_size_is_told_when_that_size_comes(engine):
    computation = tff.jax.computation(lambda x: jnp.reshape(x, [2, -1]), ANY_SIZE)
    assert computation(np.ones(4, np.float32)).shape == (2, 2)
    with pytest.raises(TypeError, match="JAX cannot trace") as caught:
        computation(np.ones(3, np.float32))
    assert str(caught.value.where).startswith("test_mistakes.py:")


@pytest.mark.parametrize("transform", [jax.jit, jax.grad])
@pytest.mark.parametrize("called", [total, tensorflow_half], ids=["jax", "tensorflow"])
def test_a_call_inside_of_a_transformation_of_jax_is_refused(transform, called):
    with pytest.raises(errors.TracedValueError, match="cannot be called while") as caught:
        transform(lambda x: called(x))(1.0)
    assert str(caught.value.where).startswith("test_mistakes.py:")


@pytest.mark.parametrize("function", [jnp.sum, jnp.square])
def test_a_function_of_jax_takes_no_federated_value(function):
    with pytest.raises(errors.TypeMismatchError, match="is no array") as caught:
        tff.federated_computation(lambda x: function(x), np.float32)
    assert str(caught.value.where).startswith("test_mistakes.py:")


def test_a_value_of_a_federated_computation_is_no_array():
    def program(x):
        return tff.jax.computation(lambda: x + 1)()

    with pytest.raises(TypeError, match="value of a federated computation"):
        tff.federated_computation(program, np.int32)


def test_a_result_of_another_shape_than_declared_is_told(engine):
    sizes = [3]
    computation = tff.jax.computation(lambda: jnp.zeros(sizes[0]))
    sizes[0] = 4
    with pytest.raises(TypeError, match=r"expected float32\[3\], got float32\[4\]"):
        computation()
