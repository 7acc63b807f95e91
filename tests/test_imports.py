"""What importing the package loads, and what works without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunPython = Callable[..., str]

# Stands in for an environment in which these were never installed.
WITHOUT_TENSORFLOW = """
import importlib.abc
import sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition('.')[0] in ('tensorflow', 'keras', 'tensorboard'):
            raise ModuleNotFoundError(f'No module named {fullname!r}', name=fullname)
        return None

sys.meta_path.insert(0, Absent())

import numpy as np
import tensorflow_federated as tff
"""

# Each touches TensorFlow in another part of the package.
NEEDS_TENSORFLOW = (
    "tff.tensorflow.computation(lambda: 'Hello, World!')()",
    "tff.tf_computation(lambda x: x + 1, np.int32)(1)",
    "tff.learning.models.from_keras_model(None, loss=None, input_spec=None)",
    "tff.learning.models.functional_model_from_keras(None, loss_fn=None, input_spec=None)",
    "train.create_tf_dataset_for_client(train.client_ids[0])",
)


def test_import_loads_no_tensor_framework(run_python: RunPython):
    printed = run_python(
        """
        import sys
        import tensorflow_federated
        frameworks = ('tensorflow', 'keras', 'jax', 'jaxlib', 'tensorboard', 'torch')
        print([name for name in frameworks if name in sys.modules])
        """
    )
    assert printed == "[]\n"


def test_import_starts_no_thread_and_no_process(run_python: RunPython):
    printed = run_python(
        """
        import multiprocessing
        import threading
        import tensorflow_federated
        print(threading.active_count(), multiprocessing.active_children())
        """
    )
    assert printed == "1 []\n"


@pytest.mark.slow
def test_every_module_imports(run_python: RunPython):
    printed = run_python(
        """
        import importlib
        import pkgutil
        import tensorflow_federated
        names = [
            module.name
            for module in pkgutil.walk_packages(
                tensorflow_federated.__path__, 'tensorflow_federated.'
            )
        ]
        for name in names:
            importlib.import_module(name)
        print(len(names))
        """
    )
    assert int(printed) > 0


@pytest.mark.slow
def test_without_tensorflow_jax_computations_run(run_python: RunPython):
    printed = run_python(
        WITHOUT_TENSORFLOW
        + """
@tff.jax.computation(np.int32)
def add_one(x):
    return x + 1

@tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
def total_of_increments(values):
    return tff.federated_sum(tff.federated_map(add_one, values))

print(total_of_increments([1, 2, 3]))
"""
    )
    assert printed == "9\n"


def test_without_tensorflow_the_digits_load(run_python: RunPython):
    printed = run_python(
        WITHOUT_TENSORFLOW
        + """
train, test = tff.simulation.datasets.digits.load_data()
print(len(train.client_ids) > 1, train.client_ids == test.client_ids)
"""
    )
    assert printed == "True True\n"


@pytest.mark.parametrize("call", NEEDS_TENSORFLOW)
def test_without_tensorflow_the_rest_names_the_extra(run_python: RunPython, call: str):
    printed = run_python(
        WITHOUT_TENSORFLOW
        + f"""
train, test = tff.simulation.datasets.digits.load_data()
try:
    {call}
except Exception as error:
    print(error)
else:
    print('it ran')
"""
    )
    assert "tff-ng[tensorflow]" in printed


def test_the_import_leaves_for_later_what_is_not_asked_for(run_python):
    printed = run_python(
        """
        import sys
        import tensorflow_federated as tff

        later = ["asyncio", "keras", "rich", "sqlite3"]
        later += [f"tensorflow_federated.{name}" for name in ("learning", "simulation", "backends")]
        print([name for name in later if name in sys.modules])
        tff.learning
        print("tensorflow_federated.learning" in sys.modules)
        """
    )
    assert printed.splitlines() == ["[]", "True"]


def test_bytes_may_name_containers_of_modules_that_are_not_loaded_yet(run_python):
    printed = run_python(
        """
        import sys
        from tensorflow_federated.core import containers
        import tensorflow_federated as tff

        container = containers.container_named("learning.ModelWeights")
        print(container is tff.learning.models.ModelWeights)
        """
    )
    assert printed == "True\n"
