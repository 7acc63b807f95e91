"""How fast the products of matrices in a batch of each model are, and the copies of memory.

Matrices are multiplied by the kernels of NumPy, XLA and TensorFlow, which have to be started with
`ENVIRONMENT`. A convolution is the product of its windows and its kernel; in TensorFlow it is the
operation itself.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import comparisons
import numpy as np
from workload import BATCH_SIZE, NUM_LABELS, NUM_PIXELS

# A client has one thread, so the kernels have; as they see it when they are first imported.
ENVIRONMENT = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1") | {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
}
COPIED_BYTES = 2**27
# So much is done in a call that the time of the call itself does not count.
FLOPS_OF_A_CALL, MOST_PRODUCTS = 10**8, 256

Run = Callable[[], Any]


class Product(NamedTuple):
    """A product of two matrices of float32, `rows x depth` and `depth x columns`."""

    name: str
    rows: int
    depth: int
    columns: int
    transposed: int | None = None  # Which operand is stored transposed.
    image: tuple[int, int, int] | None = None  # Of a convolution: its images without the batch.

    @property
    def flops(self) -> int:
        """Its multiplications and additions."""
        return 2 * self.rows * self.depth * self.columns


def layer(
    name: str,
    rows: int,
    depth: int,
    columns: int,
    *,
    image: tuple[int, int, int] | None = None,
    is_first: bool = False,
) -> list[Product]:
    """The products of a layer: its result, and the gradients of its kernel and its operand."""
    forward = Product(name, rows, depth, columns, None, image)
    of_kernel = Product(f"{name}, kernel's gradient", depth, rows, columns, 0, image)
    of_operand = Product(f"{name}, operand's gradient", rows, columns, depth, 1, image)
    return [forward, of_kernel] if is_first else [forward, of_kernel, of_operand]


MODELS = {
    "softmax": layer("dense 784-10", BATCH_SIZE, NUM_PIXELS, NUM_LABELS, is_first=True),
    "cnn": [
        *layer("conv 5x5x1x32", BATCH_SIZE * 28 * 28, 25, 32, image=(28, 28, 1), is_first=True),
        *layer("conv 5x5x32x64", BATCH_SIZE * 14 * 14, 25 * 32, 64, image=(14, 14, 32)),
        *layer("dense 3136-512", BATCH_SIZE, 7 * 7 * 64, 512),
        *layer("dense 512-10", BATCH_SIZE, 512, NUM_LABELS),
    ],
}


def operands(product: Product) -> list[np.ndarray]:
    """Two stacks of matrices, as they are stored."""
    number = min(max(FLOPS_OF_A_CALL // product.flops, 1), MOST_PRODUCTS)
    shapes = [(product.rows, product.depth), (product.depth, product.columns)]
    stored = [shape[::-1] if product.transposed == i else shape for i, shape in enumerate(shapes)]
    generator = np.random.default_rng(0)
    return [generator.random((number, *shape), dtype=np.float32) for shape in stored]


def with_numpy(product: Product) -> Run:
    left, right = (
        each.swapaxes(1, 2) if product.transposed == i else each
        for i, each in enumerate(operands(product))
    )
    result = left @ right
    return lambda: np.matmul(left, right, out=result)


def with_xla(product: Product) -> Run:
    import jax
    import jax.numpy as jnp

    def multiply(left: Any, right: Any) -> Any:
        def turn(_: Any, carried: Any) -> Any:
            stored, result = carried
            # Each product needs the one before, so that none is left out.
            stored = stored.at[0, 0].set(result[0, 0])
            first = stored.T if product.transposed == 0 else stored
            return stored, first @ (right.T if product.transposed == 1 else right)

        result = jnp.zeros((product.rows, product.columns), jnp.float32)
        return jax.lax.fori_loop(0, len(stacks[0]), turn, (left, result))

    stacks = operands(product)
    matrices = jax.device_put([stack[0] for stack in stacks])
    options: dict[str, Any] = {"xla_cpu_multi_thread_eigen": False}
    compiled = jax.jit(multiply).lower(*matrices).compile(compiler_options=options)
    return lambda: jax.block_until_ready(compiled(*matrices))


def with_tensorflow(product: Product) -> Run:
    import tensorflow as tf

    left, right = operands(product)
    if product.image is not None:
        return _with_convolution(product, len(left))
    left, right = tf.constant(left), tf.constant(right)
    options = {"transpose_a": product.transposed == 0, "transpose_b": product.transposed == 1}
    return lambda: tf.linalg.matmul(left, right, **options)


def _with_convolution(product: Product, number: int) -> Run:
    """What TensorFlow itself does instead of a product."""
    import tensorflow as tf

    assert product.image is not None
    height, width, channels = product.image
    filters = product.depth if product.transposed == 1 else product.columns
    images = tf.ones((BATCH_SIZE, height, width, channels))
    kernel = tf.ones((5, 5, channels, filters))
    change = tf.ones((BATCH_SIZE, height, width, filters))
    options = {"strides": [1, 1, 1, 1], "padding": "SAME"}
    by_transposed = {
        None: lambda: tf.raw_ops.Conv2D(input=images, filter=kernel, **options),
        0: lambda: tf.raw_ops.Conv2DBackpropFilter(
            input=images, filter_sizes=kernel.shape, out_backprop=change, **options
        ),
        1: lambda: tf.raw_ops.Conv2DBackpropInput(
            input_sizes=images.shape, filter=kernel, out_backprop=change, **options
        ),
    }
    run_one = by_transposed[product.transposed]
    return lambda: [run_one() for _ in range(number)]


def with_copies() -> Run:
    source = np.ones(COPIED_BYTES, np.uint8)
    target = np.zeros_like(source)
    return lambda: np.copyto(target, source)


KERNELS = {"NumPy": with_numpy, "XLA": with_xla, "TensorFlow": with_tensorflow}


def speed(amount: float, make: Callable[[], Run], threads: int, repeats: int) -> float:
    """How much is done in a second by so many threads at once, the best of several turns."""
    barrier = threading.Barrier(threads)
    runs = [make() for _ in range(threads)]
    seconds: list[list[float]] = [[] for _ in runs]

    def work(run: Run, own: list[float]) -> None:
        run()
        for _ in range(repeats):
            barrier.wait()
            start = time.perf_counter()
            run()
            own.append(time.perf_counter() - start)

    workers = [threading.Thread(target=work, args=each) for each in zip(runs, seconds, strict=True)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return threads * amount / min(map(max, zip(*seconds, strict=True)))


def speeds(product: Product, repeats: int) -> dict[str, list[float]]:
    """By kernel the operations a second, in one thread and in one for each core."""
    amount = product.flops * len(operands(product)[0])
    return {
        name: [
            speed(amount, functools.partial(make, product), threads, repeats)
            for threads in (1, comparisons.CORES)
        ]
        for name, make in KERNELS.items()
    }


def copy_speeds(repeats: int) -> list[float]:
    """The bytes that are read and written a second, in one thread and in one for each core."""
    return [
        speed(2 * COPIED_BYTES, with_copies, threads, repeats) for threads in (1, comparisons.CORES)
    ]
