"""`state.save(path)` and `tff.learning.load_state`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tensorflow_federated as tff
from tensorflow_federated.core import errors

State = tff.learning.templates.LearningAlgorithmState
WEIGHTS = tff.learning.models.ModelWeights


def state_of(*trainable):
    return State(WEIGHTS(list(trainable), []), (), (), {"total": np.int64(7)}, ())


class Process:
    """As much of a process as `load_state` asks for."""

    def __init__(self, state):
        self.initialize = tff.federated_computation(lambda: tff.federated_value(state, tff.SERVER))


DTYPES = st.sampled_from(["float32", "float64", "int32", "int64", "bool", "complex64", "uint8"])


@settings(max_examples=25, deadline=None)
@given(array=arrays.arrays(DTYPES, arrays.array_shapes(min_dims=0, max_side=3, min_side=0)))
def test_what_is_loaded_is_what_was_saved(array, tmp_path_factory):
    path = tmp_path_factory.mktemp("states") / "one.state"
    state_of(array).save(path)
    loaded = tff.learning.load_state(path)
    assert type(loaded) is State
    assert type(loaded.global_model_weights) is WEIGHTS
    (got,) = loaded.global_model_weights.trainable
    assert (got.dtype, got.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(got, array)
    assert loaded.aggregator == {"total": 7}


def test_a_state_of_the_process_is_taken(tmp_path):
    state = state_of(np.zeros([2], np.float32))
    state.save(tmp_path / "one.state")
    tff.learning.load_state(tmp_path / "one.state", process=Process(state))


def test_a_state_of_another_process_says_what_differs(tmp_path, golden):
    state_of(np.zeros([2], np.float32)).save(tmp_path / "one.state")
    process = Process(state_of(np.zeros([3], np.float32)))
    with pytest.raises(errors.SavedFileError) as caught:
        tff.learning.load_state(tmp_path / "one.state", process=process)
    golden.check("another process", str(caught.value).replace(str(tmp_path), "FOLDER"))


def test_a_model_is_no_state(tmp_path, golden):
    (tmp_path / "model.tff").write_bytes(b"no state")
    with pytest.raises(errors.SavedFileError) as caught:
        tff.learning.load_state(tmp_path / "model.tff")
    golden.check("no state", str(caught.value).replace(str(tmp_path), "FOLDER"))
