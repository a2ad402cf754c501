"""Which version of Codara this is."""

from importlib.metadata import PackageNotFoundError, version


def installed() -> str:
    """Returns the version that is installed; `unknown` when the package runs from bare sources."""
    try:
        return version("codara")
    except PackageNotFoundError:
        return "unknown"
