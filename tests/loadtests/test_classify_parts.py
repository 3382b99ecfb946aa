from bundle.bundle import Bundle
from loadtests import classify_parts
from loadtests.classify_parts import SIZES, markdown, measure_parts
from loadtests.stored import stored_classifiers


def test_every_part_has_a_price_at_every_size(tales: Bundle) -> None:
    parts = measure_parts(tales, records=32, repeats=1)
    assert len(parts) == 7
    assert all(set(part.micros) == set(SIZES) and min(part.micros.values()) > 0 for part in parts)
    assert any(line.startswith("| together") for line in markdown(tales, parts))


def test_the_latest_version_of_every_classifier_is_found(stored_tales: Bundle, stored_tiny: Bundle) -> None:
    found = [bundle.tag for bundle in stored_classifiers()]
    assert stored_tales.tag in found
    assert stored_tiny.tag not in found


def test_sizes_divide_the_records_evenly() -> None:
    assert all(classify_parts.RECORDS % size == 0 for size in SIZES)
