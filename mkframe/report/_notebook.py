"""Run one of mkframe's notebooks with parameters, in a kernel of its own."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkframe import _kernel, errors
from mkframe._files import expand_path
from mkframe.errors import InputError, MkframeError, ReportError

if TYPE_CHECKING:
    from nbclient import NotebookClient
    from nbformat import NotebookNode

__all__ = ["absolute_paths", "insert_parameters", "notebook_path", "read", "run"]

_CELL_TIMEOUT = 1800
_STOP_TIMEOUT = 15.0
_SOURCES = ("demo", "server")
"""Values of the parameter ``source`` that are not files."""
_REPORTS = "Choose build_history, monday, release_activity or release_readiness."


def notebook_path(name: str) -> Path:
    """Find one of mkframe's notebooks, in a checkout or in the installed package.

    Examples
    --------
    >>> notebook_path("build_history").name
    'build_history.ipynb'
    """
    package = Path(__file__).parents[1]
    for folder in (package / "notebooks", package.parent / "notebooks"):
        path = folder / f"{name}.ipynb"
        if path.is_file():
            return path
    raise InputError(f"There is no notebook {name!r}.", hint=_REPORTS)


def read(name: str) -> NotebookNode:
    import nbformat

    notebook: NotebookNode = nbformat.read(notebook_path(name), as_version=4)
    return notebook


def absolute_paths(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Make paths absolute, since the kernel runs in another folder."""
    absolute = dict(parameters)
    for name, value in parameters.items():
        is_file = name == "source" and isinstance(value, str) and value not in _SOURCES
        if is_file or isinstance(value, os.PathLike):
            absolute[name] = str(expand_path(value).absolute())
    return absolute


def insert_parameters(notebook: NotebookNode, parameters: Mapping[str, Any]) -> NotebookNode:
    """Insert a cell with the parameters after the one with their defaults."""
    import nbformat

    cells = notebook.cells
    tagged = (i for i, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", ()))
    if (place := next(tagged, None)) is None:
        raise InputError("The notebook has no parameters, so it is no report.", hint=_REPORTS)
    known = [line.split("=")[0].strip() for line in cells[place].source.splitlines() if "=" in line]
    for name in parameters:
        if name not in known:
            raise InputError(
                f"The notebook has no parameter {name!r}.", hint=f"There is: {', '.join(known)}."
            )
    lines = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    cells.insert(place + 1, nbformat.v4.new_code_cell(lines))
    return notebook


def run(
    notebook: NotebookNode, progress: Callable[[int, int], None] | None, *, server: bool = False
) -> NotebookNode:
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    total = sum(cell.cell_type == "code" for cell in notebook.cells)
    done = 0

    def on_cell(**_: Any) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    class OneSpec(KernelSpecManager):
        """Provides one kernel, whatever specifications Jupyter's folders contain."""

        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            return KernelSpec(argv=_kernel.command(), display_name=kernel_name, language="python")

    class OneKernel(AsyncKernelManager):
        def _kernel_spec_manager_default(self) -> KernelSpecManager:
            return OneSpec()

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        kernel_manager_class=OneKernel,
        timeout=_CELL_TIMEOUT,
        shutdown_kernel="immediate",
        record_timing=False,
        on_cell_executed=on_cell,
    )
    try:
        with _empty_folder() as folder:
            client.resources = {"metadata": {"path": str(folder)}}
            _execute(client, _kernel.environment(os.environ, folder / "ipython", server=server))
    except CellExecutionError as error:
        raise _error_from_cell(error.ename, error.evalue) from error
    except CellTimeoutError as error:
        raise ReportError(
            f"A cell of the notebook took longer than {_CELL_TIMEOUT} s.", hint="Report on fewer builds."
        ) from error
    except DeadKernelError as error:
        raise ReportError(
            "The notebook's Python ended before the report was done.",
            hint="Check that there is enough memory.",
        ) from error
    return notebook


def _execute(client: NotebookClient, variables: Mapping[str, str]) -> None:
    """Execute in a thread, so that Ctrl-C is one exception here, whatever the kernel is doing.

    In the main thread nbclient would turn it into an error of a cell, or lose the kernel while it starts.
    """
    loop = asyncio.new_event_loop()
    done = threading.Event()
    raised: list[BaseException] = []

    async def execute() -> None:
        try:
            await client.async_execute(env=dict(variables))
        finally:
            # nbclient would end the kernel once more when Python ends, with an error if it was interrupted
            atexit.unregister(client._cleanup_kernel)
            if client.km is not None and client.km.has_kernel:
                await client.km.shutdown_kernel(now=True)  # type: ignore[misc]

    def work() -> None:
        try:
            loop.run_until_complete(execute())
        except BaseException as error:  # it is raised again in the thread of the caller
            raised.append(error)
        finally:
            loop.close()
            done.set()

    thread = threading.Thread(target=work, name="mkframe-report", daemon=True)
    try:
        thread.start()
        # no join: interrupted, Python 3.11 takes the thread for one that has ended. The limit lets Ctrl-C
        # through on Windows.
        while not done.wait(0.2):
            pass
    except BaseException:
        with _uninterrupted():
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
            if thread.ident is not None:
                done.wait(_STOP_TIMEOUT)
        raise
    if raised:
        raise raised[0]


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore further Ctrl-C, so that the kernel is ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _empty_folder() -> Iterator[Path]:
    """Create a private folder for the kernel to run in: programs read settings of the current folder."""
    with tempfile.TemporaryDirectory(prefix="mkframe-report-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _error_from_cell(name: str, sentence: str) -> MkframeError:
    """Rebuild the error that a cell ended with."""
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, MkframeError):
        return kind(sentence)
    return ReportError(
        f"The notebook failed with {name}: {sentence.rstrip('.')}.", hint="Run the notebook to see where."
    )
