"""The kernel of a report: this Python and this mkframe, no file of the current folder, few variables.

The current folder may be anybody's: a ``pandas.py`` or ``matplotlibrc`` in it must not run beside the token.
Python runs this file as a script to start the kernel.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["command", "environment", "main"]

_SYSTEM = (
    "PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "LD_LIBRARY_PATH",
    "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR",
    "APPDATA", "COMSPEC", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT", "PROGRAMDATA",
    "SYSTEMDRIVE", "SYSTEMROOT", "USERPROFILE", "WINDIR",
)  # fmt: skip
_ACCOUNT = ("MKFRAME_URL", "MKFRAME_TOKEN", "MKFRAME_EMAIL", "MKFRAME_PASSWORD")
_KEYRING = ("DBUS_SESSION_BUS_ADDRESS", "PYTHON_KEYRING_BACKEND", "XDG_DATA_HOME", "XDG_RUNTIME_DIR")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_OPTIONS = (
    "--IPKernelApp.log_level=40",
    "--InteractiveShellApp.ignore_cwd=True",
    "--InteractiveShellApp.exec_PYTHONSTARTUP=False",
)


def command() -> list[str]:
    """Write the command that starts the kernel, as a kernel specification has it.

    ``-P`` keeps the current folder and that of this file from the path; what the user has installed stays.

    Examples
    --------
    >>> command()[1]
    '-P'
    """
    return [sys.executable, "-P", str(Path(__file__).resolve()), "-f", "{connection_file}", *_OPTIONS]


def environment(given: Mapping[str, str], ipython: Path, *, server: bool) -> dict[str, str]:
    """Take over the variables that a report needs, and no other.

    Parameters
    ----------
    given : mapping
        The variables of this process.
    ipython : Path
        An empty folder: startup files and settings of the user's IPython are none of a report's.
    server : bool
        Whether the report asks the server, and so needs the account, the keyring and the way out.

    Returns
    -------
    dict

    Examples
    --------
    >>> given = {"LANG": "C.UTF-8", "MKFRAME_TOKEN": "a.b.c", "AWS_SECRET_ACCESS_KEY": "word"}
    >>> sorted(environment(given, Path("empty"), server=False))
    ['IPYTHONDIR', 'LANG', 'PYDEVD_DISABLE_FILE_VALIDATION']
    """
    wanted = {*_SYSTEM, *((*_ACCOUNT, *_KEYRING, *_PROXIES, *map(str.lower, _PROXIES)) if server else ())}
    kept = {name: word for name, word in given.items() if name in wanted or name.startswith("LC_")}
    if server:  # a path that is relative to the folder of the user's
        kept |= {name: str(Path(given[name]).absolute()) for name in _CERTIFICATES if given.get(name)}
    if path := _absolute(given.get("PYTHONPATH", "")):
        kept["PYTHONPATH"] = path
    return {**kept, "IPYTHONDIR": str(ipython), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def _absolute(path: str) -> str:
    """The entries of a search path that name a folder wherever they are read, without the current one."""
    here = Path.cwd().resolve()
    entries = map(Path, filter(None, path.split(os.pathsep)))
    return os.pathsep.join(str(p) for p in entries if p.is_absolute() and p.resolve() != here)


def _load_mkframe() -> None:
    """Import the mkframe that runs the report, also from a checkout, whatever else is installed."""
    home = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "mkframe", home / "__init__.py", submodule_search_locations=[str(home)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"mkframe cannot be loaded from {home}.")
    sys.modules["mkframe"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def main() -> None:
    """Run the kernel until it is told to end."""
    _load_mkframe()
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


if __name__ == "__main__":
    main()
