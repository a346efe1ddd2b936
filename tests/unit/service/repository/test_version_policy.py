from __future__ import annotations

import pytest

from service.repository.model_folder import VersionPolicy, in_words


@pytest.mark.parametrize(
    ("text", "policy", "chosen"),
    [
        ("all", VersionPolicy(), {1, 2, 10}),
        ("latest:1", VersionPolicy(latest=1), {10}),
        ("latest:2", VersionPolicy(latest=2), {2, 10}),
        ("latest:9", VersionPolicy(latest=9), {1, 2, 10}),
        ("1,3", VersionPolicy(listed=frozenset({1, 3})), {1}),
        ("3", VersionPolicy(listed=frozenset({3})), set()),
    ],
)
def test_a_policy_in_words(text: str, policy: VersionPolicy, chosen: set[int]) -> None:
    assert in_words(text) == policy
    assert policy.choose([1, 2, 10]) == chosen
