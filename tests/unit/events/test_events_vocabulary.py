"""The words of the vocabulary are the ones that the house says."""

from typing import Any, get_args

import pytest

from codara.application.ports.workspaces import MISSING
from codara.application.turns import failures
from codara.domain import account, conversation, credential, routing, tally, user
from codara.events import vocabulary

ORIGINS = (
    conversation.NAMED,
    conversation.REFERENCE,
    conversation.FOUND,
    conversation.NEW,
    conversation.FORKED,
    conversation.ASIDE,
)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (vocabulary.SessionOrigin, ORIGINS),
        (vocabulary.FailureCause, failures._WORDS),
        (vocabulary.CancelCause, failures._CANCELLED),
        (vocabulary.AuthType, credential.AUTH_TYPES),
        (vocabulary.AccountStatus, {account.READY, *account.PASSING, *account._BROKEN}),
        (vocabulary.PassedOver, (tally.TRIED, routing.NO_FREE_LEASE)),
        (vocabulary.UserStatus, (user.ACTIVE, user.SUSPENDED, user.DELETED)),
    ],
)
def test_the_words_are_those_of_the_code(words: Any, said: Any) -> None:
    assert set(get_args(words)) == set(said)


def test_an_account_that_is_none_has_a_word_of_its_own() -> None:
    (known, removed) = get_args(vocabulary.AccountStanding)
    assert known == vocabulary.AccountStatus
    assert get_args(removed) == (account.REMOVED,)


def test_a_folder_that_is_not_there_is_a_gap() -> None:
    assert MISSING in get_args(vocabulary.SnapshotGap)
