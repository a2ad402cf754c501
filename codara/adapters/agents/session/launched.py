"""What a session starts out from: a program in its jail, and the broker it asks the world by."""

import attrs

from codara.adapters.agents.home.programs import Program
from codara.adapters.egress.broker import Broker
from codara.adapters.jail.jail import Jail


@attrs.frozen(kw_only=True)
class Launched:
    """Holds an agent that was started; its owner closes the jail, and with it the broker."""

    program: Program
    jail: Jail
    broker: Broker
