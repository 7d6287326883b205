"""What a sample's file says of itself is true of it."""

from __future__ import annotations

import pytest

from handful.core.provenance import SourceType, generated_texts


@pytest.mark.parametrize("source_type", ["trainedAlgorithmicMedia", "algorithmicMedia"])
def test_a_made_image_says_that_it_is_no_photo(source_type: SourceType) -> None:
    words = generated_texts("dcgan", "dcgan-s0", 7, source_type)["Description"]
    assert words == "generated image, not a photo: made by dcgan, run dcgan-s0, seed 7"


def test_an_altered_photo_says_that_it_is_one_and_still_that_it_was_generated() -> None:
    words = generated_texts("copies", "copies-s0", 7, "algorithmicallyEnhanced")["Description"]
    assert words == "generated image: a photo repeated or altered by copies, run copies-s0, seed 7"


def test_an_image_carries_the_fingerprint_of_its_photos_where_it_is_known() -> None:
    words = generated_texts("dcgan", "dcgan-s0", 7, photos_fingerprint="0a1b")["Description"]
    assert words.endswith("seed 7, from photos 0a1b")
    assert generated_texts("dcgan", "dcgan-s0", 7)["Description"].endswith("seed 7")
