from features.labels import LabelSet
from features.taxonomies import arxiv, genres


def test_there_are_24_genres_and_no_shelf_belongs_to_two() -> None:
    shelves = [shelf for _, shelves in genres.GENRES.values() for shelf in shelves]
    assert len(genres.GENRES) == 24
    assert len(genres.BY_SHELF) == len(shelves) == 57
    assert genres.BY_SHELF["mystery thriller"] == "mystery"
    assert genres.BY_SHELF["science fiction"] == "science_fiction"
    assert "science fiction fantasy" not in genres.BY_SHELF


def test_arxiv_has_155_categories_with_names_of_archive_and_category() -> None:
    assert len(arxiv.CURRENT) == 155
    assert arxiv.CURRENT["cs.LG"] == "Computer Science - Machine Learning"
    assert arxiv.CURRENT["quant-ph"] == "Quantum Physics"


def test_all_18_legacy_names_lead_to_current_categories() -> None:
    assert len(arxiv.LEGACY) == 18
    assert set(arxiv.LEGACY.values()) <= set(arxiv.CURRENT)
    assert not set(arxiv.LEGACY) & set(arxiv.CURRENT)
    assert arxiv.current("cmp-lg") == "cs.CL"
    assert arxiv.current("cs.LG") == "cs.LG"


def test_candidate_implications_make_a_label_set_of_any_choice_of_labels() -> None:
    labels = arxiv.labels(["cs.SY", "eess.SY", "math-ph", "x.YZ"])
    chosen = LabelSet.of(labels, arxiv.candidate_implications())
    assert chosen.implications == [("cs.SY", "eess.SY"), ("eess.SY", "cs.SY")]
    assert [label.name for label in chosen.labels][-2:] == ["Mathematical Physics", "x.YZ"]


def test_genre_labels_have_display_names() -> None:
    assert [label.name for label in genres.labels(["biography_memoir", "lgbt"])] == ["Biography & Memoir", "LGBT"]
