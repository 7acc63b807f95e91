"""The same bits on threads, processes, Dask and Ray, also when a worker is killed in mid-round."""

from __future__ import annotations

import multiprocessing
import pathlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest
import tensorflow as tf

import tensorflow_federated as tff
from tensorflow_federated.core import local_intrinsics

pytestmark = pytest.mark.slow

native = tff.backends.native
models, algorithms, optimizers = (
    tff.learning.models,
    tff.learning.algorithms,
    tff.learning.optimizers,
)
SPEC = (tf.TensorSpec([None, 6, 6, 1], tf.float32), tf.TensorSpec([None], tf.int32))
LOSS = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def keras_model() -> Any:
    layers, glorot = tf.keras.layers, tf.keras.initializers.GlorotUniform
    return tf.keras.Sequential(
        [
            layers.Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu", kernel_initializer=glorot(seed=1)),
            layers.Flatten(),
            layers.Dense(16, activation="relu", kernel_initializer=glorot(seed=2)),
            layers.Dense(3, kernel_initializer=glorot(seed=3)),
        ]
    )


def variable_model() -> Any:
    accuracy = tf.keras.metrics.SparseCategoricalAccuracy()
    return models.from_keras_model(keras_model(), LOSS, SPEC, metrics=[accuracy])


def jax_model() -> Any:
    @jax.jit
    def predict(weights, x, training):
        del training
        (kernel, dense, bias), _ = weights
        convolved = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return jax.nn.relu(convolved).reshape(x.shape[0], -1) @ dense + bias

    def loss(output, label, sample_weight=None):
        del sample_weight
        chosen = jnp.take_along_axis(jax.nn.log_softmax(output), label[:, None], axis=1)
        return -jnp.mean(chosen)

    random = np.random.default_rng(0)
    weights = [
        random.normal(size=[3, 3, 1, 4]).astype(np.float32) / 3,
        random.normal(size=[144, 3]).astype(np.float32) / 12,
        np.zeros([3], np.float32),
    ]
    spec = (tff.TensorType(np.float32, [None, 6, 6, 1]), tff.TensorType(np.int32, [None]))
    return models.FunctionalModel(
        initial_weights=(weights, []),
        predict_on_batch_fn=predict,
        loss_fn=loss,
        metrics_fns=tff.learning.metrics.create_mean_metric_fns(
            {"loss": lambda labels, output: output.loss}
        ),
        input_spec=spec,
    )


def client_datasets() -> list[tf.data.Dataset]:
    random = np.random.default_rng(7)
    datasets: list[tf.data.Dataset] = []
    for size in random.integers(3, 60, 21):
        x = random.normal(size=[size, 6, 6, 1]).astype(np.float32)
        y = random.integers(0, 3, size).astype(np.int32)
        datasets.append(tf.data.Dataset.from_tensor_slices((x, y)).batch(8))
    return datasets


DATASETS = client_datasets()


def leaves(value: Any) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in tf.nest.flatten(value)]


def trained(model_fn: Any) -> Callable[[], list[bytes]]:
    process = algorithms.build_weighted_fed_avg(
        model_fn,
        client_optimizer_fn=optimizers.build_sgdm(0.1, 0.9),
        server_optimizer_fn=optimizers.build_sgdm(0.7, 0.9),
    )
    initial = process.initialize()

    def run() -> list[bytes]:
        state, found = initial, []
        for start in range(2):
            output = process.next(state, DATASETS[start:])
            state = output.state
            found += leaves((state.global_model_weights, output.metrics))
        return found

    return run


def language() -> Callable[[], list[bytes]]:
    """Keys, folds, secure sums, values that stay at the clients, and two frameworks in one step."""

    @tff.tensorflow.computation(tff.SequenceType(np.float32))
    def reduced(values):
        return values.reduce(np.float32(0), lambda total, x: tf.sin(total) + x)

    @tff.jax.computation(np.float32, (np.int64, [2]))
    def noised(x, key):
        return x + jax.random.normal(jax.random.key(key[0]), dtype=jnp.float32)

    @tff.federated_computation(tff.SequenceType(np.float32))
    def work(values):
        return noised(reduced(values), local_intrinsics.random_key())

    @tff.federated_computation(tff.FederatedType(tff.SequenceType(np.float32), tff.CLIENTS))
    def program(values):
        results = tff.federated_map(work, values)
        scale = tff.jax.computation(lambda x: (x * 100).astype(np.int32), np.float32)
        return (
            results,
            tff.federated_mean(results),
            tff.federated_max(results),
            tff.federated_secure_sum_bitwidth(tff.federated_map(scale, results), 30),
        )

    random = np.random.default_rng(9)
    clients = [list(random.normal(size=size).astype(np.float32)) for size in range(1, 40)]
    return lambda: leaves(program(clients))


PROGRAMS: dict[str, Callable[[], Callable[[], list[bytes]]]] = {
    "Keras, variables": lambda: trained(variable_model),
    "Keras, functional": lambda: trained(
        models.functional_model_from_keras(keras_model(), LOSS, SPEC)
    ),
    "JAX": lambda: trained(jax_model()),
    "language": language,
}


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Callable[[], list[bytes]]:
    return PROGRAMS[request.param]()


@pytest.fixture(scope="module")
def expected(program: Callable[[], list[bytes]]) -> list[bytes]:
    return found_in(local_context(1), program)


def local_context(threads: int) -> Any:
    return native.create_sync_local_cpp_execution_context(threads=threads, seed=5)


def found_in(context: Any, program: Callable[[], list[bytes]]) -> list[bytes]:
    with tff.framework.get_context_stack().install(context):
        return program()


def found_on(executor: Any, program: Callable[[], list[bytes]], **options: Any) -> list[bytes]:
    with native.create_executor_context(executor, seed=5, **options):
        return program()


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as executor:
        yield executor


@pytest.fixture(scope="module")
def dask() -> Iterator[Executor]:
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


@pytest.fixture(scope="module")
def ray() -> Iterator[Executor]:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield native.RayExecutor()
    ray.shutdown()


EXECUTORS = ["processes", "dask", "ray"]


@pytest.mark.parametrize("threads", [2, 8])
def test_threads_give_the_same_bits(program, expected, threads):
    assert found_in(local_context(threads), program) == expected


def test_a_pool_of_threads_gives_the_same_bits(program, expected):
    with ThreadPoolExecutor(2) as executor:
        assert found_on(executor, program) == expected


def test_processes_of_the_context_give_the_same_bits(program, expected):
    assert found_on(2, program) == expected


@pytest.mark.parametrize("name", EXECUTORS)
def test_an_executor_gives_the_same_bits(program, expected, name, request):
    assert found_on(request.getfixturevalue(name), program) == expected


# A worker that is killed.

# Workers find `eval` by its name; functions of tests they do not find.
EVALUATED = eval
KILLED_ONCE = """
__import__("tensorflow_federated.execution.workers").execution.workers.run_task(task)
if __import__("os").path.exists(flag)
else (open(flag, "x").close(), __import__("os").kill(__import__("os").getpid(), 9))
""".replace("\n", " ").strip()


class KillingOneWorker:
    """Makes one task of an executor kill its worker, the first time that it is run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, flag: pathlib.Path) -> None:
        self.flag = flag
        self._monkeypatch = monkeypatch
        self._count = 0

    def __call__(self, executor: Executor) -> None:
        submit = type(executor).submit

        def submit_or_kill(self_: Executor, fn, /, *args, **kwargs) -> Future[Any]:
            self._count += 1
            if self._count == 4:
                (task,) = args
                return submit(self_, EVALUATED, KILLED_ONCE, {"task": task, "flag": str(self.flag)})
            return submit(self_, fn, *args, **kwargs)

        self._monkeypatch.setattr(type(executor), "submit", submit_or_kill)


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_worker_that_is_killed_changes_no_bit(name, request, monkeypatch, tmp_path):
    program = PROGRAMS["JAX"]()
    executor = request.getfixturevalue(name)
    if name == "processes":
        # One of its own, for it is broken afterwards.
        spawn = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(2, mp_context=spawn)
    flag = tmp_path / "killed"
    KillingOneWorker(monkeypatch, flag)(executor)
    found = found_on(executor, program)
    assert flag.exists()
    assert found == found_in(local_context(1), program)


def test_a_process_of_the_context_that_is_killed_changes_no_bit():
    program = PROGRAMS["JAX"]()
    expected = found_in(local_context(1), program)
    before = {process.pid for process in psutil.Process().children()}
    with native.create_executor_context(2, seed=5):
        own = [each for each in psutil.Process().children() if each.pid not in before]
        own[0].kill()
        assert program() == expected
