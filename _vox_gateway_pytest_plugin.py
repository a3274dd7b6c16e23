"""What pytest loads where vox-gateway is installed: `local_gateway`, `gateway_client` and `make_gateway_client`.

It stands outside the package, and imports it only when a fixture is asked for: pytest loads its plugins in every
project, before anything else, so this one must cost nothing; and whoever measures the coverage of `vox_gateway` would
miss what an import so early runs. What the fixtures do is in `vox_gateway.testing.pytest_plugin`.
``pytest -p no:vox_gateway`` leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from vox_gateway import Client
    from vox_gateway.testing import LocalGateway
    from vox_gateway.testing.pytest_plugin import GatewayClients

#: where a test's clients and gateway are kept, for the hook that looks after them
_CLIENTS = pytest.StashKey["GatewayClients"]()
_GATEWAY = pytest.StashKey["LocalGateway"]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    for name, made in (("local_gateway", "LocalGateway"), ("gateway_client", "Client")):
        config.addinivalue_line("markers", f"{name}(**options): arguments of the {made} that the fixture {name} gives")


@pytest.fixture
def local_gateway(request: pytest.FixtureRequest) -> Iterator[LocalGateway]:
    """A Discord Gateway on loopback, fresh for this test; ``@pytest.mark.local_gateway(...)`` gives its arguments."""
    with _machinery("local_gateway").open_gateway(request.node) as gateway:
        request.node.stash[_GATEWAY] = gateway
        yield gateway


@pytest.fixture
def make_gateway_client(request: pytest.FixtureRequest, local_gateway: LocalGateway) -> Iterator[GatewayClients]:
    """Makes clients of `local_gateway`, with any arguments of `Client`; closes them all when the test is over."""
    with _machinery("make_gateway_client").open_clients(request.node, local_gateway) as clients:
        request.node.stash[_CLIENTS] = clients
        yield clients


@pytest.fixture
def gateway_client(request: pytest.FixtureRequest, make_gateway_client: Callable[..., Client]) -> Client:
    """A client of `local_gateway` that is not connected yet; ``@pytest.mark.gateway_client(...)`` gives arguments."""
    client: Client = make_gateway_client(**_machinery("gateway_client").marked(request.node, "gateway_client"))
    return client


@pytest.hookimpl(trylast=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Runs when the test itself has passed: fails it if its handlers or its HTTP requests were at fault."""
    __tracebackhide__ = True
    if (clients := item.stash.get(_CLIENTS, None)) is not None:
        clients.judge()
    if (gateway := item.stash.get(_GATEWAY, None)) is not None:
        gateway.http.check()


def _machinery(fixture: str) -> Any:
    try:
        from vox_gateway.testing import pytest_plugin
    except ImportError as error:
        missing = str(error)
    else:
        return pytest_plugin
    return pytest.fail(f"the fixture {fixture} cannot be had: {missing}", pytrace=False)
