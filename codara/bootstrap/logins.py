"""The logins of the pool, as the settings want them refreshed."""

from codara.adapters.agents.registry import login_forms
from codara.adapters.logins.refresher import VendorRefresher
from codara.adapters.vault.vault import FileVault
from codara.application.deciding import Deciding
from codara.application.refreshing import KeptLogins
from codara.clock import utc_now
from codara.config.providers import Providers
from codara.events.base import Cause


def kept_logins(
    providers: Providers, deciding: Deciding, vault: FileVault, run_id: str
) -> KeptLogins:
    forms = login_forms(providers)
    urls = {name: url for name in forms if (url := providers.named(name).oauth_url)}
    return KeptLogins(
        deciding=deciding,
        vault=vault,
        refresher=VendorRefresher(forms, urls),
        clock=utc_now,
        cause=Cause(actor="system:logins", correlation_id=run_id),
    )
