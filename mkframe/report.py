"""Run a notebook with parameters and write it as one HTML file without code.

The notebooks are those of the folder ``notebooks``; the installed package contains them. The file refers
to nothing outside: charts are embedded, there is no script, and it opens without a network.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import html
import importlib.metadata
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkframe import _kernel, errors
from mkframe._files import atomic_write, check_target, expand_path
from mkframe.errors import InputError, MkframeError, ReportError

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["notebook_path", "write"]

_REQUIRED = ("ipykernel", "nbclient", "nbconvert")
_CELL_TIMEOUT = 1800
_SOURCES = ("demo", "server")
"""Values of the parameter ``source`` that are not files."""
_REPORTS = "Choose build_history or release_activity."
_HINT_OUT = "Choose another place with --out."
_WARNING = re.compile(r"^.+?:\d+: \w*Warning: (.+)$", re.M)


def write(
    out: str | os.PathLike[str],
    parameters: Mapping[str, Any],
    notebook: str = "build_history",
    *,
    title: str = "Build history",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Run a notebook and write its text, tables and charts to one HTML file.

    Parameters
    ----------
    out : path
        File to write; it is replaced only by a complete report.
    parameters : mapping
        Values for the names of the notebook's cell tagged ``parameters``.
    notebook : str, default "build_history"
        Name of one of mkframe's notebooks.
    title : str
        Title of the page.
    progress : callable, optional
        Called with the number of executed cells and of all cells.

    Returns
    -------
    Path
        The written file.

    Raises
    ------
    InputError
        If the extra ``report`` is not installed, a parameter is unknown, or the file cannot be written.
    MkframeError
        If the notebook fails; with the message of the notebook's error.
    """
    missing = [name for name in _REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"A report needs {', '.join(missing)}.", hint='Install them with: pip install "mkframe[report]"'
        )
    target = _writable(expand_path(out).absolute())
    absolute = _absolute_paths(parameters)
    executed = _run(
        _insert_parameters(_read(notebook), absolute), progress, server=absolute.get("source") == "server"
    )
    notes = _extract_warnings(executed)
    page = _page(_body(executed) + _notes_html(notes), title)
    return atomic_write(target, lambda file: file.write(page.encode()), _HINT_OUT)


def notebook_path(name: str) -> Path:
    """Find one of mkframe's notebooks, in a checkout or in the installed package.

    Examples
    --------
    >>> notebook_path("build_history").name
    'build_history.ipynb'
    """
    package = Path(__file__).parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        path = folder / f"{name}.ipynb"
        if path.is_file():
            return path
    raise InputError(f"There is no notebook {name!r}.", hint=_REPORTS)


def _read(name: str) -> NotebookNode:
    import nbformat

    notebook: NotebookNode = nbformat.read(notebook_path(name), as_version=4)
    return notebook


def _absolute_paths(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Make paths absolute, since the kernel runs in another folder."""
    absolute = dict(parameters)
    for name, value in parameters.items():
        is_file = name == "source" and isinstance(value, str) and value not in _SOURCES
        if is_file or isinstance(value, os.PathLike):
            absolute[name] = str(expand_path(value).absolute())
    return absolute


def _insert_parameters(notebook: NotebookNode, parameters: Mapping[str, Any]) -> NotebookNode:
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


def _run(
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
        record_timing=False,
        on_cell_executed=on_cell,
    )
    try:
        with _empty_folder() as folder:
            client.resources = {"metadata": {"path": str(folder)}}
            client.execute(env=_kernel.environment(os.environ, folder / "ipython", server=server))
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


def _extract_warnings(notebook: NotebookNode) -> list[str]:
    """Remove warnings from the cells and return their messages without source paths."""
    notes: dict[str, None] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        texts = [out.text for out in cell.outputs if out.get("name") == "stderr"]
        cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
        for text in texts:
            notes.update(dict.fromkeys(_WARNING.findall(text) or [text.strip()]))
    return list(notes)


def _body(notebook: NotebookNode) -> str:
    from nbconvert import HTMLExporter

    class OwnTemplates(HTMLExporter):
        """Loads no template, which is a program, from the current folder or the user's folders."""

        def get_prefix_root_dirs(self) -> list[str]:
            return [str(_nbconvert_data_folder())]

    exporter = OwnTemplates(  # type: ignore[no-untyped-call]
        template_name="basic",
        extra_template_basedirs=[],
        template_data_paths=[],
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    body, _ = exporter.from_notebook_node(notebook)
    return str(body)


def _nbconvert_data_folder() -> Path:
    """Find the folder of data files that nbconvert was installed with."""
    part = "share/jupyter/nbconvert/templates/basic/conf.json"
    files = importlib.metadata.files("nbconvert") or []
    installed = [Path(str(file.locate())) for file in files if file.as_posix().endswith(part)]
    defaults = [Path(prefix) / part for prefix in (sys.prefix, sys.base_prefix)]
    if (found := next((path for path in [*installed, *defaults] if path.is_file()), None)) is None:
        raise InputError(
            "The templates of nbconvert are missing from its installation.",
            hint="Reinstall it: pip install --force-reinstall nbconvert",
        )
    return found.resolve().parents[3]


def _notes_html(notes: list[str]) -> str:
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f"<h2>Notes</h2><ul>{items}</ul>" if notes else ""


def _page(body: str, title: str) -> str:
    written = dt.datetime.now(dt.UTC).strftime("%d %B %Y, %H:%M UTC")
    return (
        "<!DOCTYPE html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head>\n<body><main>\n{body}\n"
        f"<footer>Written by mkframe on {written}, with Python {sys.version_info[0]}.{sys.version_info[1]}."
        "</footer></main></body></html>\n"
    )


def _writable(target: Path) -> Path:
    if target.is_dir():
        raise InputError(f"{str(target)!r} is a folder.", hint="Name the file, such as build-history.html.")
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {str(target.parent)!r}.", hint="Create it, or name another.")
    check_target(target, _HINT_OUT)
    return target


_STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #1f2328; }
body { font: 16px/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
h1 { font-size: 1.9rem; margin: 0 0 .2rem; } h2 { font-size: 1.25rem; margin: 2.4rem 0 .3rem; }
p { max-width: 46rem; } ul { max-width: 46rem; padding-left: 1.2rem; } li { margin: .25rem 0; }
img { max-width: 100%; height: auto; } .anchor-link { display: none; }
table { border: 0; border-collapse: collapse; display: block; overflow-x: auto; }
table { font-size: .88rem; margin: .6rem 0; }
th, td { border: 0; border-bottom: 1px solid #d8dee4; padding: .25rem .7rem; }
th, td { text-align: right; white-space: nowrap; }
thead th { border-bottom: 2px solid #57606a; } pre { overflow-x: auto; font-size: .88rem; }
footer { margin-top: 3rem; padding-top: .6rem; border-top: 1px solid #d8dee4; color: #57606a; }
@media print { main { max-width: none; } img, table { break-inside: avoid; } }
"""
