"""Rate limits in response headers."""

from datetime import UTC, datetime, timedelta

import pytest

from codara.adapters.agents.session import ratelimits

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_windows_of_a_key_are_read_from_the_headers() -> None:
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "15",
        "x-ratelimit-reset-requests": "1m30s",
        "x-ratelimit-limit-tokens": "1000",
    }
    (window,) = ratelimits.windows_of(headers, NOW)
    assert (window.name, window.used_percent, window.minutes) == ("requests", 75.0, None)
    assert window.resets_at == NOW + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("limit", "left", "used"),
    [
        ("10", "0", 100.0),
        ("10", "12", 0.0),
        ("0", "0", None),
        ("nan", "1", None),
        ("10", None, None),
        ("10", "-1", None),
    ],
)
def test_what_is_used_is_told_only_by_two_numbers(
    limit: str, left: str | None, used: float | None
) -> None:
    assert ratelimits.used_percent(limit, left) == used


@pytest.mark.parametrize(
    ("text", "seconds"), [("20ms", 0.02), ("1h2m3s", 3723), ("8.64s", 8.64), ("1d", 86_400)]
)
def test_a_span_ends_so_much_later(text: str, seconds: float) -> None:
    assert ratelimits.span(text, NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["999999999999d", "9" * 400 + "s"])
def test_a_span_ends_within_a_month(text: str) -> None:
    assert ratelimits.span(text, NOW) == NOW + timedelta(days=31)


@pytest.mark.parametrize("text", [None, "", "soon", "1m and more", "90"])
def test_what_is_no_span_has_no_end(text: str | None) -> None:
    assert ratelimits.span(text, NOW) is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("60", NOW + timedelta(minutes=1)),
        ("Thu, 01 Jan 2026 00:05:00 GMT", NOW + timedelta(minutes=5)),
        ("999999999999", NOW + timedelta(days=31)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", NOW + timedelta(days=31)),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("later", None),
        ("inf", None),
    ],
)
def test_a_refusal_says_when_to_come_back_in_seconds_or_as_a_date(
    text: str, at: datetime | None
) -> None:
    assert ratelimits.retry_after({"retry-after": text}, NOW) == at


def test_without_a_word_nobody_knows_when_to_come_back() -> None:
    assert ratelimits.retry_after({}, NOW) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "7"}, 7),
        ({"x-ratelimit-reset-requests": "20s"}, 20),
        ({"x-ratelimit-reset": "20"}, 20),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 20)}, 20),
        ({"x-ratelimit-reset": str((int(NOW.timestamp()) + 20) * 1000)}, 20),
        ({"x-ratelimit-reset-requests": "5s", "x-ratelimit-reset-tokens": "20s"}, 20),
        (
            {
                "x-ratelimit-reset-requests": "20s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "9000",
            },
            20,
        ),
        ({"x-ratelimit-reset-requests": "2s", "x-ratelimit-remaining-requests": "5"}, None),
        ({"x-ratelimit-reset": "soon"}, None),
        ({}, None),
    ],
)
def test_the_headers_of_a_refusal_say_when_to_come_back(
    headers: dict[str, str], seconds: float | None
) -> None:
    back = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert ratelimits.come_back(headers, NOW) == back


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ('{"error": {"type": "usage_limit_reached", "resets_in_seconds": 20}}', 20),
        (f'{{"error": {{"resets_at": {int(NOW.timestamp()) + 20}}}}}', 20),
        ('{"error": {"metadata": {"retry_after": "20.0"}}}', 20),
        ('{"error": {"resets_in_seconds": null}}', None),
        ("<html>resets_in_seconds: 20</html>", None),
        ("", None),
    ],
)
def test_the_body_of_a_refusal_says_when_to_come_back(body: str, seconds: float | None) -> None:
    back = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert ratelimits.told_back(body, NOW) == back
