"""Start the kernel of a report: with this Python, this mkframe and few environment variables.

No file of the current folder may run: a ``pandas.py`` or ``matplotlibrc`` in it could read the token.
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
    """Return the command that starts the kernel, as in a kernel specification.

    ``-P`` keeps the current folder and that of this file off the import path.

    Examples
    --------
    >>> command()[1]
    '-P'
    """
    return [sys.executable, "-P", str(Path(__file__).resolve()), "-f", "{connection_file}", *_OPTIONS]


def environment(variables: Mapping[str, str], ipython: Path, *, server: bool) -> dict[str, str]:
    """Select the environment variables that a report needs, and no others.

    Parameters
    ----------
    variables : mapping
        The variables of this process.
    ipython : Path
        An empty folder, so that IPython loads no startup files or settings of the user.
    server : bool
        Whether the report sends requests, and so needs the account, the keyring and the proxies.

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
    kept = {name: value for name, value in variables.items() if name in wanted or name.startswith("LC_")}
    if server:  # a path may be relative to the user's folder
        kept |= {name: str(Path(variables[name]).absolute()) for name in _CERTIFICATES if variables.get(name)}
    if path := _absolute(variables.get("PYTHONPATH", "")):
        kept["PYTHONPATH"] = path
    return {**kept, "IPYTHONDIR": str(ipython), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


def _absolute(path: str) -> str:
    """Keep the absolute entries of a search path, without the current folder."""
    here = Path.cwd().resolve()
    entries = map(Path, filter(None, path.split(os.pathsep)))
    return os.pathsep.join(str(p) for p in entries if p.is_absolute() and p.resolve() != here)


def _load_mkframe() -> None:
    """Import the mkframe that contains this file, also from a checkout."""
    home = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "mkframe", home / "__init__.py", submodule_search_locations=[str(home)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"mkframe cannot be loaded from {home}.")
    sys.modules["mkframe"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def main() -> None:
    """Run the kernel until it is shut down."""
    _load_mkframe()
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


if __name__ == "__main__":
    main()
