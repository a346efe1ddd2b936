"""What one client may have of what all share."""

from __future__ import annotations

import pytest

from service.core.client_shares import ClientShares, Share
from service.core.errors import Reason, ServiceError


def test_a_client_has_no_more_than_its_share_and_others_have_theirs() -> None:
    shares = ClientShares(Share.SESSIONS, 2)
    shares.take("one")
    shares.take("one")
    with pytest.raises(ServiceError) as refused:
        shares.take("one")
    assert refused.value.reason is Reason.CLIENT_LIMIT
    assert str(refused.value).startswith("one has 2 open sequences, and one client may have 2")
    shares.take("other", 2)


def test_whoever_asks_whether_it_may_have_one_more_has_it() -> None:
    shares = ClientShares(Share.CONNECTIONS, 2)
    assert [shares.try_take("one") for _ in range(3)] == [True, True, False]
    assert shares.refused == 1
    assert shares.try_take("other")
    shares.give_back("one")
    assert shares.try_take("one")


def test_what_was_given_back_may_be_taken_again_and_leaves_nothing() -> None:
    shares = ClientShares(Share.SESSIONS, 3)
    shares.take("one", 3)
    shares.give_back("one", 2)
    shares.take("one", 2)
    shares.give_back("one", 3)
    assert len(shares) == 0


def test_what_is_refused_takes_nothing() -> None:
    shares = ClientShares(Share.LABELS, 3)
    with pytest.raises(ServiceError):
        shares.take("one", 4)
    shares.take("one", 3)
