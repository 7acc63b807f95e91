"""Operations use one thread each, unless the user or TensorFlow has decided before."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
import tensorflow as tf
{before}
import tensorflow_federated as tff
assert tff.tensorflow.computation(lambda x: x + 1, np.int32)(1) == 2
print(tf.config.threading.get_intra_op_parallelism_threads())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "variables", "threads"),
    [
        ("", {}, 1),
        ("tf.config.threading.set_intra_op_parallelism_threads(2)", {}, 2),
        ("tf.constant(1) + 1", {}, 0),
        ("", {"TF_NUM_INTRAOP_THREADS": "2"}, 0),
    ],
    ids=["nobody decided", "set by the user", "already computing", "set by the environment"],
)
def test_threads_of_an_operation(before, variables, threads):
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **variables},
    )
    assert int(ran.stdout.split()[-1]) == threads
