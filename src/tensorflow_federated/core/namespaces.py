"""The namespaces of the public API: what they show, and what a name that is not there answers."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from tensorflow_federated.core import callsites, errors


class Older(NamedTuple):
    """A name of an older generation of the API.

    Attributes:
      module: the module that holds it.
      today: what to write now, as the end of a sentence; None if the module itself is the value, a
        namespace whose names warn on their own.
      attribute: its name there, if it is another one.
    """

    module: str
    today: str | None
    attribute: str | None = None


def module_functions(
    owner: str,
    names: Iterable[str],
    load: Callable[[str], Any] | None = None,
    removed: Mapping[str, str] | None = None,
    older: Mapping[str, Older] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions `__getattr__` and `__dir__` of a module that is a public namespace.

    Args:
      owner: how users call the module, for example `tff.learning`.
      names: its public names.
      load: gives the value of a public name that the module does not hold itself, when it is first
        asked for; such a name is among `names`. None if there is no such name.
      removed: names that TFF has or had there and this package has not, each with what to write
        instead.
      older: names of older generations of the API, which work and warn. They are not listed.

    Returns:
      The two functions. The first raises `RemovedNameError`, with what to write instead of a name
      that was removed, and else with the nearest public name.

    Examples:
      >>> get_attribute, list_names = module_functions("tff", ["to_type", "CLIENTS"])
      >>> list_names()
      ['CLIENTS', 'to_type']
      >>> get_attribute("to_tipe")
      Traceback (most recent call last):
      ...
      tensorflow_federated.core.errors.names.RemovedNameError: `tff` has no attribute `to_tipe`.
        ...
    """
    public = sorted(names)
    gone: Mapping[str, str] = {} if removed is None else removed
    superseded: Mapping[str, Older] = {} if older is None else older

    @errors.boundary
    def get_attribute(name: str) -> Any:
        if name.startswith("__"):
            # Protocols probe for these (`__path__`, `__wrapped__`): no place for a long message.
            raise AttributeError(name)
        if load is not None and name in public:
            return load(name)
        if name in superseded:
            return _older_value(owner, name, superseded[name])
        if name in gone:
            raise errors.RemovedNameError(
                f"`{owner}.{name}` is a name that this package does not have.",
                fix=gone[name],
            )
        raise errors.unknown_name(owner, name, public)

    def list_names() -> list[str]:
        return list(public)

    return get_attribute, list_names


def _older_value(owner: str, name: str, older: Older) -> Any:
    if older.today is None:
        return importlib.import_module(older.module)
    warnings.warn(
        f"`{owner}.{name}` is a name of an older generation; write {older.today}",
        FutureWarning,
        stacklevel=callsites.user_stacklevel(),
    )
    return getattr(importlib.import_module(older.module), older.attribute or name)


def loader(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Makes the function `load` of `module_functions` for names that are imported at first use.

    Args:
      module: the name of the module that is the namespace.
      names: for each name the module that holds it: a module of the same name is the value itself,
        any other one has an attribute of that name.

    Returns:
      A function from a name to its value, which the namespace holds from then on.

    Examples:
      >>> load = loader("math", {"fields": "tensorflow_federated.core.fields"})
      >>> load("fields").__name__
      'tensorflow_federated.core.fields'
    """

    def load(name: str) -> Any:
        holder = importlib.import_module(names[name])
        value = holder if names[name].rpartition(".")[2] == name else getattr(holder, name)
        setattr(sys.modules[module], name, value)
        return value

    return load
