"""What third-party models are fed has the form that they take."""

from __future__ import annotations

import numpy as np

from demo.third_party import images
from demo.third_party.file_types import numbers
from demo.third_party.pitch_and_music import melody

PADDING = 256


def test_a_short_file_is_padded_between_its_ends() -> None:
    found = numbers(bytes([7, 8, 9]))
    assert (found.dtype.name, found.shape) == ("int32", (2048,))
    assert found[:3].tolist() == found[-3:].tolist() == [7, 8, 9]
    assert (found[3:-3] == PADDING).all()


def test_a_long_file_gives_both_ends() -> None:
    content = bytes(range(256)) * 20
    found = numbers(content)
    assert found[:1024].tolist() == list(content[:1024])
    assert found[1024:].tolist() == list(content[-1024:])


def test_an_empty_file_is_all_padding() -> None:
    assert (numbers(b"") == PADDING).all()


def test_images_have_their_size_and_something_on_them() -> None:
    for image, shape in (
        (images.line("words", width=160), (3, 48, 160)),
        (images.page(["one", "two"], height=96, width=320), (3, 96, 320)),
        (images.table([["a", "b"]], height=100, width=160), (3, 160, 160)),
    ):
        assert (image.dtype.name, image.shape) == ("float32", shape)
        assert np.ptp(image) > 1


def test_below_a_table_there_is_nothing() -> None:
    image = images.table([["a", "b"]], height=100, width=160)
    assert not image[:, 100:].any()


def test_a_melody_is_its_seed() -> None:
    assert np.array_equal(melody(1), melody(1))
    assert not np.array_equal(melody(1), melody(2))
