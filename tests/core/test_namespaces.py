"""A namespace shows its names, and says what to write for those that it does not have."""

from __future__ import annotations

import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors, namespaces

get_attribute, list_names = namespaces.module_functions(
    "tff.space",
    ["moon", "sun"],
    load={"moon": 1, "sun": 2}.__getitem__,
    removed={"pluto": "write `tff.space.moon`."},
)


def test_names_are_listed_in_order():
    assert list_names() == ["moon", "sun"]


def test_a_name_is_loaded_when_it_is_asked_for():
    assert get_attribute("sun") == 2


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("moom", "did you mean `tff.space.moon`?"),
        ("pluto", "write `tff.space.moon`."),
        ("xyz", None),
    ],
)
def test_another_name_says_what_to_write(name, fix):
    with pytest.raises(errors.RemovedNameError, match=f"`tff.space.*{name}`") as raised:
        get_attribute(name)
    assert raised.value.fix == fix


def test_protocols_that_probe_for_names_get_a_plain_answer():
    with pytest.raises(AttributeError) as raised:
        get_attribute("__path__")
    assert type(raised.value) is AttributeError


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        (tff.backends, "reference"),
        (tff.backends.native, "set_remote_execution_context"),
        (tff.backends.native, "create_sizing_execution_context"),
        (tff.framework, "RemoteExecutor"),
        (tff.framework, "local_executor_factory"),
        (tff.framework, "ExecutionContext"),
        (tff.framework, "DataBackend"),
    ],
)
def test_names_of_other_versions_say_what_to_write(namespace, name, golden):
    with pytest.raises(errors.RemovedNameError) as raised:
        getattr(namespace, name)
    golden.check(name, str(raised.value))
