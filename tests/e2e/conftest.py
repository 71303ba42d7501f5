"""Sites for the tests of this folder, each on a real broker, and their programs' last words."""

import pytest

from tests.support.brokers import amqtt_broker, mosquitto_broker

BROKERS = {"amqtt": amqtt_broker, "mosquitto": mosquitto_broker}


def pytest_generate_tests(metafunc):
    """Run what asks for `any_broker` on each broker there is."""
    if "any_broker" in metafunc.fixturenames:
        needs = pytest.mark.needs("mosquitto")
        params = ["amqtt", pytest.param("mosquitto", marks=needs)]
        metafunc.parametrize("any_broker", params, indirect=True, scope="module")


@pytest.fixture(scope="module")
def any_broker(request):
    """A running broker: the demo's, then a library's."""
    with BROKERS[request.param]() as broker:
        yield broker


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Show what the programs of a site said last when its test fails."""
    report = yield
    site = item.funcargs.get("site")
    if report.failed and site is not None:
        for log in sorted(site.folder.glob("*.log")):
            said = log.read_text(errors="replace")[-2_000:]
            report.sections.append((f"{log.name}", said))
    return report
