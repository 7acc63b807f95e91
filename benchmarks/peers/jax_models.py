"""The models as functions of JAX: for this package, for FedJAX, and by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import workload
from jax import lax

Weights = dict[str, jax.Array]


def initial_weights(model: str) -> dict[str, np.ndarray]:
    """The weights that training starts with."""
    if model == "softmax":
        return {
            "kernel": np.zeros((workload.NUM_PIXELS, workload.NUM_LABELS), np.float32),
            "bias": np.zeros(workload.NUM_LABELS, np.float32),
        }
    generator = np.random.default_rng(0)

    def kernel(*shape: int) -> np.ndarray:
        scale = np.sqrt(2 / np.prod(shape[:-1]))
        return (generator.standard_normal(shape) * scale).astype(np.float32)

    def bias(size: int) -> np.ndarray:
        return np.zeros(size, np.float32)

    return {
        "kernel_1": kernel(5, 5, 1, 32),
        "bias_1": bias(32),
        "kernel_2": kernel(5, 5, 32, 64),
        "bias_2": bias(64),
        "kernel_3": kernel(7 * 7 * 64, 512),
        "bias_3": bias(512),
        "kernel_4": kernel(512, workload.NUM_LABELS),
        "bias_4": bias(workload.NUM_LABELS),
    }


def softmax(weights: Weights, images: jax.Array) -> jax.Array:
    """One dense layer: the logits."""
    return images.reshape(-1, workload.NUM_PIXELS) @ weights["kernel"] + weights["bias"]


def convolve(images: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution of images that keeps their size."""
    names = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=names)


def pool(images: jax.Array) -> jax.Array:
    """The largest of each four pixels."""
    number, height, width, channels = images.shape
    windows = images.reshape(number, height // 2, 2, width // 2, 2, channels)
    return windows.max(axis=(2, 4))


def cnn(weights: Weights, images: jax.Array, convolve=convolve) -> jax.Array:
    """Two convolutions and two dense layers: the logits."""
    x = images.reshape(-1, *workload.IMAGE, 1)
    x = pool(jax.nn.relu(convolve(x, weights["kernel_1"]) + weights["bias_1"]))
    x = pool(jax.nn.relu(convolve(x, weights["kernel_2"]) + weights["bias_2"]))
    x = jax.nn.relu(x.reshape(x.shape[0], -1) @ weights["kernel_3"] + weights["bias_3"])
    return x @ weights["kernel_4"] + weights["bias_4"]


FORWARD = {"softmax": softmax, "cnn": cnn}


def losses(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """The cross entropy of each example."""
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
    return -chosen[:, 0]
