from codara.adapters.egress.doors import Doors
from codara.adapters.egress.lending import Lending


def test_secrets_are_not_shown():
    lending = Lending(base_url="https://x", secret="sk-1", headers={"X-Org": "sk-2"})
    assert "sk-" not in repr(lending)
    doors = Doors.inside((8377,))
    assert doors.token not in repr(doors)


def test_doors_inside_are_where_they_say():
    doors = Doors.inside((8377, 3128))
    assert doors.endpoint() == "http://127.0.0.1:8377"
    assert doors.proxy_environment()["https_proxy"] == "http://127.0.0.1:3128"
    assert doors.proxy_environment()["NO_PROXY"] == "127.0.0.1,localhost,::1"


def test_without_a_proxy_no_variable_names_one():
    assert Doors.inside((8377,)).proxy_environment() == {}


def test_doors_on_the_host_have_ports_of_their_own():
    one, two = Doors.on_host((8377,)), Doors.on_host((8377,))
    try:
        assert one.endpoint() != two.endpoint()
        assert one.token != two.token
    finally:
        one.close()
        two.close()
