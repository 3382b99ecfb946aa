import pytest

from bundle.bundle import Bundle
from bundle.errors import BundleError
from bundle.store import bundles, find, is_stored, save


def test_a_stored_bundle_is_found_by_name_and_by_version(stored_tiny: Bundle) -> None:
    assert find("tiny").root == stored_tiny.root
    assert find("tiny:1").manifest == stored_tiny.manifest
    assert stored_tiny.tag in [bundle.tag for bundle in bundles()]


def test_a_stored_bundle_verifies(stored_tiny: Bundle) -> None:
    stored_tiny.verify()


def test_an_unknown_bundle_is_refused_with_what_there_is(stored_tiny: Bundle) -> None:
    with pytest.raises(BundleError, match=r"no bundle 'bookz'.*tiny:1.*jubako export"):
        find("bookz")


def test_a_version_is_never_overwritten(tiny: Bundle, stored_tiny: Bundle) -> None:
    with pytest.raises(BundleError, match="tiny:1"):
        save(tiny)


def test_what_is_stored_is_told_without_opening_it(stored_tiny: Bundle) -> None:
    assert is_stored("tiny")
    assert is_stored("tiny:1")
    assert not is_stored("tiny:2")
    assert not is_stored("bookz")
