"""How datasets that this package makes are run."""

from __future__ import annotations

import tensorflow as tf


def untuned() -> tf.data.Options:
    """Lets TensorFlow begin at once: tuning takes longer than the short datasets of clients."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options
