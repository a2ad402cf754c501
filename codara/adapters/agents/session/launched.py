"""What a session starts out from: a program in its jail, and the broker it asks the world by."""

import attrs

from codara.adapters.agents.home.programs import Program
from codara.adapters.egress.broker import Broker
from codara.adapters.jail.jail import Jail


@attrs.frozen(kw_only=True)
class Launched:
    """An agent that was started; whoever got it closes the jail, and the broker goes with that."""

    program: Program
    jail: Jail
    broker: Broker
