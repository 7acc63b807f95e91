"""How TensorFlow is set up in a process, as far as results depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tensorflow_federated.core import errors
from tensorflow_federated.execution import client_threads
from tensorflow_federated.tensorflow import kernel_threads

_THREADS = "intra_op_threads"


def process_options() -> dict[str, Any]:
    """See `execution.backends.Backend`."""
    # With several threads a kernel adds in another order than with one.
    return {_THREADS: kernel_threads.chosen() or client_threads.available_cores()}


def set_process_options(options: Mapping[str, Any]) -> None:
    """See `execution.backends.set_up`."""
    threads = int(options[_THREADS])
    if kernel_threads.chosen() == threads:
        return
    try:
        # Also where it is what TensorFlow would choose: nobody is to choose otherwise later.
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError as error:
        if process_options()[_THREADS] == threads:
            return
        raise errors.BackendError(
            "TensorFlow has begun to work with another number of threads than where the program "
            "was made.",
            problems=[
                f"threads of a kernel: expected {threads}, got {process_options()[_THREADS]}"
            ],
            fix="use no TensorFlow in the workers before they run the work of clients.",
        ) from error
