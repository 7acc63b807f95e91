"""The laws of federated programs: one error for each that can be broken."""

from __future__ import annotations

from tensorflow_federated.core import errors


class FederatedContextError(errors.FederatedError, ValueError, known_as="ValueError"):
    """A computation is called in a context that no federated program can go on from.

    Fails: `tff.program.check_in_federated_context()` in the default context; or, in a federated
    context, a computation whose result stays at the clients.
    Mended: `with tff.framework.get_context_stack().install(tff.program.NativeFederatedContext(
    tff.backends.native.create_async_local_cpp_execution_context())): ...`; and a computation that
    brings the clients' values together.
    """


class ReleaseError(errors.FederatedError, ValueError, known_as="ValueError"):
    """A release manager cannot be made of these arguments.

    Fails: `tff.program.PeriodicReleaseManager(manager, periodicity=0)`.
    Mended: `tff.program.PeriodicReleaseManager(manager, periodicity=1)`.
    """


class NotFilterableError(errors.FederatedError):
    """A filter leaves out a field of a named tuple, which needs all of them.

    Fails: releasing `Metrics(loss=1.0, accuracy=0.5)`, a named tuple, through a filter that drops
    `loss` alone.
    Mended: release a dict, or let the filter keep all fields of a named tuple or none.
    """


class ProgramStateExistsError(errors.FederatedError):
    """A program state is saved under a version that is taken.

    Fails: `await manager.save(state, 1)`, twice.
    Mended: a version that is greater than those before: `await manager.save(state, 2)`.
    """

    def __init__(self, *, version: int, path: str) -> None:
        """Builds the error.

        Args:
          version: the version that is taken.
          path: where it is kept.
        """
        super().__init__(
            f"there is a program state of version {version} already.",
            problems=[f"kept in: {path}"],
            fix="count the versions up; or remove what is there, to begin anew.",
        )


class ProgramStateNotFoundError(errors.FederatedError):
    """There is no program state of this version.

    Fails: `await manager.load(3, structure)`, where nothing was saved as version 3.
    Mended: one of `await manager.get_versions()`, or `await manager.load_latest(structure)`.
    """

    def __init__(self, version: int) -> None:
        """Builds the error.

        Args:
          version: the version that is not there.
        """
        super().__init__(
            f"there is no program state of version {version}.",
            fix="ask `await manager.get_versions()` for those that are there.",
        )


class ProgramStateStructureError(errors.FederatedError, ValueError):
    """A saved program state is not of the structure that the program expects of it.

    Fails: going on with another optimizer, whose state has other parts, than the one that the saved
    run was begun with.
    Mended: go on with the same process, or begin anew with another state manager.
    """
