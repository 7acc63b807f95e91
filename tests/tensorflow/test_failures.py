"""What TensorFlow says of a failure is told without what says nothing to users."""

from __future__ import annotations

import pytest
import tensorflow as tf

from tensorflow_federated.tensorflow import failures


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("<stack traces unavailable>\nassertion failed: [3]", "assertion failed: [3]"),
        ("bad shape\n\t [[StatefulPartitionedCall/ReduceDataset]]", "bad shape"),
        ("bad shape\n\t [[{{node while/body/Reshape}}]] [Op:__inference_f_1]", "bad shape"),
        ("expected [[1 2] [3 4]], got [[3]]", "expected [[1 2] [3 4]], got [[3]]"),
    ],
)
def test_names_of_nodes_are_left_out(said, told):
    error = tf.errors.InvalidArgumentError(None, None, said)
    (problem,) = failures.while_running(error, "`f`").problems
    assert problem == f"InvalidArgumentError: {told}"
