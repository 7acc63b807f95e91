"""Every public name under `tff`, with its signature: a name or a parameter that goes is noticed."""

from __future__ import annotations

import enum
import inspect
import re
import types
from collections.abc import Iterator
from typing import Any

import pytest

import tensorflow_federated as tff
from tensorflow_federated.core import errors


def _public_names(module: types.ModuleType) -> list[str]:
    """What a module lists, or else what it defines."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed)
    return sorted(
        name
        for name, value in vars(module).items()
        if name[0] != "_" and getattr(value, "__module__", None) == module.__name__
    )


def _namespaces(owner: str, module: types.ModuleType) -> Iterator[tuple[str, types.ModuleType]]:
    yield owner, module
    for name in _public_names(module):
        value = getattr(module, name)
        if isinstance(value, types.ModuleType):
            yield from _namespaces(f"{owner}.{name}", value)


NAMESPACES = dict(_namespaces("tff", tff))


def _described(module: types.ModuleType) -> Iterator[str]:
    for name in _public_names(module):
        value = getattr(module, name)
        if isinstance(value, types.ModuleType):
            yield f"{name}: namespace"
        elif isinstance(value, type):
            yield f"{name}{_signature(value)}"
            for member in _members(value):
                yield f"  .{member}"
        else:
            yield f"{name}{_signature(value)}"


def _members(cls: type) -> Iterator[str]:
    """The public members of a class that this package defines."""
    for name in sorted(dir(cls)):
        owners = [base for base in cls.__mro__ if name in vars(base)]
        is_ours = bool(owners) and owners[0].__module__.startswith("tensorflow_federated")
        # TensorFlow marks what AutoGraph leaves as it is, once it is loaded.
        is_public = name[0] != "_" and not name.endswith("__")
        if is_ours and is_public:
            yield f"{name}{_signature(getattr(cls, name))}"


def _signature(value: Any) -> str:
    if not callable(value) or isinstance(value, types.GenericAlias):
        return ""
    if isinstance(value, type) and issubclass(value, enum.Enum):
        return ""
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(value).parameters.values()
    ]
    text = str(inspect.Signature(plain))
    text = re.sub(r"<(?:\w+\.)*(\w+) object at 0x[0-9a-f]+>", r"\1(...)", text)
    return re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", text)


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_the_names_of_a_namespace_stay(namespace, golden):
    golden.check(namespace, "\n".join(_described(NAMESPACES[namespace])))


@pytest.mark.parametrize("namespace", [n for n, m in NAMESPACES.items() if "__all__" in vars(m)])
def test_a_misspelt_name_answers_with_the_one_that_was_meant(namespace):
    module = NAMESPACES[namespace]
    name = max(_public_names(module), key=len)
    with pytest.raises(errors.RemovedNameError, match=f"did you mean `{namespace}.{name}`"):
        getattr(module, name[:-3] + name[-2:])


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_namespace_shows_its_public_names(namespace):
    module = NAMESPACES[namespace]
    assert set(_public_names(module)) <= set(dir(module))
