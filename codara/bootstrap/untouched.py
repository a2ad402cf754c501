"""Whether a data folder is untouched: asked by commands that make none for a question."""

from codara.adapters.installation.untouched import is_untouched as _is_untouched
from codara.config.settings import Settings


def is_untouched(settings: Settings) -> bool:
    """Tells whether no gateway ever kept anything here."""
    return _is_untouched(settings.server.data_dir, settings.log_path)
