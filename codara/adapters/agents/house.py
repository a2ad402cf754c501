"""What every runtime needs of the gateway around it."""

import attrs

from codara.adapters.agents.home.homes import Homes
from codara.adapters.agents.home.listings import Listings
from codara.adapters.agents.session.lender import NoLogins
from codara.adapters.egress.ways import WaysOut
from codara.adapters.jail.jails import Jails
from codara.adapters.jail.spec import JailLimits
from codara.application.ports.logins import Logins
from codara.application.ports.secrets import Vault
from codara.clock import Clock, utc_now
from codara.ids import NewId, new_id


@attrs.frozen(kw_only=True)
class RuntimeContext:
    """Jails to start agents in, ways out of them, homes, keys and logins, and what the CLIs listed.

    `ways_out` fits `jails`: both know whether there are walls.
    """

    jails: Jails
    ways_out: WaysOut
    homes: Homes
    vault: Vault
    logins: Logins = attrs.field(factory=NoLogins)
    listings: Listings = attrs.field(factory=Listings)
    limits: JailLimits = attrs.field(factory=JailLimits)
    clock: Clock = utc_now
    new_id: NewId = new_id
