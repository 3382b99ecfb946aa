import pytest

from serving.releases.changes import promoted, rolled_back, with_canary, with_shadow
from serving.releases.errors import ReleaseError
from serving.releases.plan import NOTHING, Planned, Share


def test_a_promotion_remembers_what_it_replaces() -> None:
    once = promoted(NOTHING, "2", serving="1")
    twice = promoted(once, "3", serving=None)
    assert (once.active, once.previous) == ("2", "1")
    assert (twice.active, twice.previous) == ("3", "2")


def test_promoting_the_active_version_changes_no_version() -> None:
    planned = Planned(active="2", previous="1", canary=Share(version="3", percent=5))
    assert promoted(planned, "2", serving="7") == planned


def test_what_is_served_already_is_not_its_own_previous_version() -> None:
    assert promoted(NOTHING, "1", serving="1").previous is None


def test_a_canary_that_is_promoted_is_no_canary_any_more() -> None:
    planned = Planned(active="1", canary=Share(version="2", percent=10), shadow=Share(version="2", percent=100))
    after = promoted(planned, "2", serving=None)
    assert (after.active, after.previous, after.canary, after.shadow) == ("2", "1", None, None)
    assert promoted(planned, "3", serving=None).canary == planned.canary


def test_a_rollback_goes_back_and_another_one_forth() -> None:
    planned = Planned(active="2", previous="1")
    back = rolled_back(planned, "text", [])
    assert (back.active, back.previous) == ("1", "2")
    assert rolled_back(back, "text", []) == planned


def test_a_rollback_without_a_previous_version_tells_what_there_is() -> None:
    with pytest.raises(ReleaseError, match=r"text has no previous version.*stored: 1, 2"):
        rolled_back(Planned(active="2"), "text", ["1", "2"])


@pytest.mark.parametrize(("role", "place"), [("canary", with_canary), ("shadow", with_shadow)])
def test_the_active_version_is_nothing_beside_itself(role: str, place: object) -> None:
    assert callable(place)
    with pytest.raises(ReleaseError, match=f"2 is the active version already; a {role} is another one"):
        place(Planned(active="2"), Share(version="2", percent=10))
    assert getattr(place(Planned(active="2"), Share(version="3", percent=10)), role).version == "3"
    assert getattr(place(Planned(active="2", canary=Share(version="3", percent=10)), None), role) is None
