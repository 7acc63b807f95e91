"""How many threads one operation of TensorFlow may use."""

from __future__ import annotations

import contextlib
import os

import tensorflow as tf

_VARIABLE = "TF_NUM_INTRAOP_THREADS"


def chosen() -> int:
    """How many threads an operation may use, by what was set; 0 if nothing was."""
    told = os.environ.get(_VARIABLE, "")
    set_here = tf.config.threading.get_intra_op_parallelism_threads()
    return set_here or (int(told) if told.isdecimal() else 0)


def leave_to_clients() -> None:
    """Lets every operation use one thread, if neither the user nor TensorFlow has decided yet.

    Several clients at a time, each in one thread, are done sooner than one client whose operations
    share all threads. The user decides by `tf.config.threading.set_intra_op_parallelism_threads`
    or the environment variable `TF_NUM_INTRAOP_THREADS`; TensorFlow, when it first computes.
    """
    if chosen() > 0:
        return
    # TensorFlow has no other way to say that it computes already, so that it is too late.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
