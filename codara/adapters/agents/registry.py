"""The runtimes of the registry, each made by the package of its name."""

from importlib import import_module
from importlib.util import find_spec
from typing import cast

from codara.adapters.agents.contract import Runtime
from codara.adapters.agents.house import RuntimeContext
from codara.adapters.agents.runtime import Make
from codara.adapters.agents.transcript import Transcript
from codara.adapters.logins.form import LoginForm
from codara.config.providers import Providers
from codara.runtimes import PROVIDERS


def runtimes(providers: Providers, house: RuntimeContext) -> dict[str, Runtime]:
    """Returns every runtime, as it is configured, by its name."""
    return {name: maker(name)(providers.named(name), house) for name in PROVIDERS}


def login_forms(providers: Providers) -> dict[str, LoginForm]:
    """Returns the logins that can be lent: those of the packages with a module `login`."""
    forms: dict[str, LoginForm] = {}
    for name in PROVIDERS:
        module = f"{__package__}.{name}.login"
        if find_spec(module) is not None:
            forms[name] = import_module(module).form(providers.named(name))
    return forms


def transcripts() -> dict[str, Transcript]:
    """Returns the modules `recorded` of the runtimes that have one, by the runtime's name."""
    names = {name: f"{__package__}.{name}.recorded" for name in PROVIDERS}
    return {
        name: cast("Transcript", import_module(module))
        for name, module in names.items()
        if find_spec(module) is not None
    }


def maker(name: str) -> Make:
    """Returns what the module `runtime` of that name's package calls `make`."""
    make: Make = import_module(f"{__package__}.{name}.runtime").make
    return make
