"""The 24 genres of books, each the union of a few shelves on which readers put books."""

from collections.abc import Iterable

from features.labels import Label

GENRES: dict[str, tuple[str, tuple[str, ...]]] = {
    "fantasy": ("Fantasy", ("Fantasy", "High Fantasy", "Epic Fantasy", "Urban Fantasy")),
    "science_fiction": ("Science Fiction", ("Science Fiction",)),
    "mystery": ("Mystery", ("Mystery", "Detective", "Mystery Thriller")),
    "thriller": ("Thriller", ("Thriller", "Suspense")),
    "crime": ("Crime", ("Crime", "True Crime")),
    "romance": ("Romance", ("Romance", "Contemporary Romance", "Historical Romance")),
    "historical_fiction": ("Historical Fiction", ("Historical Fiction",)),
    "horror": ("Horror", ("Horror",)),
    "history": ("History", ("History",)),
    "biography_memoir": ("Biography & Memoir", ("Biography", "Memoir", "Autobiography", "Biography Memoir")),
    "philosophy": ("Philosophy", ("Philosophy",)),
    "poetry": ("Poetry", ("Poetry",)),
    "plays_drama": ("Plays & Drama", ("Plays", "Drama", "Theatre")),
    "childrens": ("Childrens", ("Childrens", "Picture Books", "Juvenile")),
    "young_adult": ("Young Adult", ("Young Adult", "Teen")),
    "humor": ("Humor", ("Humor", "Comedy")),
    "comics": ("Comics", ("Comics", "Graphic Novels", "Manga")),
    "science": ("Science", ("Science", "Popular Science", "Physics")),
    "politics_society": ("Politics & Society", ("Politics", "Sociology", "Feminism", "Economics")),
    "religion": ("Religion", ("Religion", "Christianity", "Spirituality", "Theology", "Christian")),
    "war": ("War", ("War", "Military Fiction", "World War II")),
    "short_stories": ("Short Stories", ("Short Stories",)),
    "psychology_self_help": ("Psychology & Self Help", ("Psychology", "Self Help")),
    "lgbt": ("LGBT", ("LGBT", "Queer")),
}
"""Label -> display name and shelves."""

BY_SHELF: dict[str, str] = {shelf.casefold(): label for label, (_, shelves) in GENRES.items() for shelf in shelves}
"""Shelf, in lower case -> label. No shelf belongs to two labels."""


def labels(keys: Iterable[str]) -> list[Label]:
    """Make labels with their display names, in the order given; a key that is no genre is its own name."""
    return [Label(label=key, name=GENRES[key][0] if key in GENRES else key) for key in keys]
