"""`tff.templates.IterativeProcess`: which computations make a process, and which do not."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import tensorflow_federated as tff
from tensorflow_federated.templates import errors

computation = tff.jax.computation
VECTOR = tff.TensorType(np.float32, [None])

zero = computation(lambda: 0)
add = computation(lambda state, x: state + x, np.int32, np.int32)
pair = computation(lambda: (0, 0))
identity_of_pair = computation(lambda state: state, (np.int32, np.int32))


def test_the_state_goes_from_call_to_call(engine):
    process = tff.templates.IterativeProcess(zero, add)
    state = process.initialize()
    for x in [1, 2, 3]:
        state = process.next(state, x)
    assert state == 6


@pytest.mark.parametrize(
    ("initialize_fn", "next_fn", "is_multi_arg", "state_type"),
    [
        (zero, add, None, "int32"),
        (zero, computation(lambda state: state + 1, np.int32), None, "int32"),
        (zero, computation(lambda state: (state, 2.0), np.int32), None, "int32"),
        (pair, identity_of_pair, None, "<int32,int32>"),
        (pair, identity_of_pair, False, "<int32,int32>"),
        (
            pair,
            computation(lambda state, x: state, (np.int32, np.int32), np.int32),
            True,
            "<int32,int32>",
        ),
        # The state of `next` may be more general than the first one.
        (
            computation(lambda: jnp.zeros([0])),
            computation(lambda state: jnp.concatenate([state, state]), VECTOR),
            None,
            "float32[?]",
        ),
    ],
)
def test_the_types_say_what_the_state_is(initialize_fn, next_fn, is_multi_arg, state_type):
    process = tff.templates.IterativeProcess(initialize_fn, next_fn, is_multi_arg)
    assert str(process.state_type) == state_type


LAWS = {
    "initialize is no computation": (lambda: 0, add, None, "TemplateNotComputationError"),
    "next is no computation": (zero, lambda state: state, None, "TemplateNotComputationError"),
    "initialize takes an argument": (
        computation(lambda x: x, np.int32),
        add,
        None,
        "TemplateInitFnParamNotEmptyError",
    ),
    "next takes no argument": (zero, zero, None, "TemplateNextFnNumArgsError"),
    "next takes one argument": (
        zero,
        computation(lambda state: state, np.int32),
        True,
        "TemplateNextFnNumArgsError",
    ),
    "next takes another state": (
        zero,
        computation(lambda state: state, np.float32),
        None,
        "TemplateStateNotAssignableError",
    ),
    "next takes the state among others": (zero, add, False, "TemplateStateNotAssignableError"),
    "next returns another state": (
        zero,
        computation(lambda state: state / 2, np.int32),
        None,
        "TemplateStateNotAssignableError",
    ),
    "next returns another state first": (
        zero,
        computation(lambda state: (state / 2, state), np.int32),
        None,
        "TemplateStateNotAssignableError",
    ),
}


@pytest.mark.parametrize("law", LAWS)
def test_each_law_has_its_error(law, golden):
    initialize_fn, next_fn, is_multi_arg, expected = LAWS[law]
    with pytest.raises(getattr(errors, expected)) as raised:
        tff.templates.IterativeProcess(initialize_fn, next_fn, is_multi_arg)
    assert isinstance(raised.value, TypeError)
    shown = str(raised.value)
    if "no computation" not in law:  # The address of the function is in the message.
        golden.check(law, shown)
