"""Calls as people make them, right and wrong, in the words of the HTTP contract."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

from bundle.bundle import Bundle
from bundle.catalogue import Catalogue
from bundle.histories import USERS_FILE
from tests.tiny import CORPUS
from tests.tiny_classifier import TEXTS

Body = dict[str, Any]
Task = Literal["embed", "classify", "recommend"]
Anything = st.SearchStrategy[Any]
Options = Mapping[str, Anything]

TEXT_MODEL, CLASSIFIER, RECOMMENDER = "prompted", "tales", "small-books"
LONG_TEXT = "of the lacquer box " * 40
"""Longer than the text model reads."""


@dataclass(frozen=True)
class Call:
    """One call: what is asked for, and the body that HTTP would send."""

    task: Task
    body: Body


@dataclass(frozen=True)
class Shop:
    """What a recommender's bundle holds that calls may name."""

    items: Sequence[str]
    readers: Sequence[str]
    records: Sequence[Mapping[str, Any]]
    values: Mapping[str, Sequence[str]]
    """Some values of the fields that can be filtered by."""

    @classmethod
    def of(cls, bundle: Bundle) -> "Shop":
        catalogue = Catalogue.read(bundle.root)
        readers = json.loads((bundle.root / USERS_FILE).read_text())
        records = [catalogue.record_of(position) for position in range(20)]
        values = {name: _values(records, name) for name in catalogue.fields}
        return cls(catalogue.ids[:30], readers[:10], records, {name: some for name, some in values.items() if some})


def calls(shop: Shop) -> st.SearchStrategy[Call]:
    """Return the strategy of calls to the three models.

    A call to a model that is not there, or not for this, has no other fault: which of two faults is told is left to
    the transport. One has its model in the path and looks there first.
    """
    sound, faulty = _Drawing(shop, mistakes=False), _Drawing(shop, mistakes=True)
    lost = st.one_of(
        sound.embeds(st.sampled_from(["bookz", CLASSIFIER])),
        sound.classifies(st.sampled_from(["bookz", TEXT_MODEL])),
        sound.recommends(st.sampled_from(["bookz", TEXT_MODEL])),
    )
    found = st.one_of(
        faulty.embeds(st.sampled_from([TEXT_MODEL] * 4 + [None])),
        faulty.embeds_of_shop(st.just(RECOMMENDER)),
        faulty.classifies(st.sampled_from([CLASSIFIER] * 4 + [None])),
        faulty.classifies_by_labels(st.sampled_from([TEXT_MODEL] * 4 + [CLASSIFIER, None])),
        faulty.recommends(st.sampled_from([RECOMMENDER] * 4 + [None])),
        sound.recommends(st.just(RECOMMENDER)),
    )
    return st.integers(0, 7).flatmap(lambda number: lost if number == 7 else found)


@dataclass(frozen=True)
class _Drawing:
    """Strategies for one kind of calls: those with mistakes, or those without."""

    shop: Shop
    mistakes: bool

    def embeds(self, models: Anything) -> st.SearchStrategy[Call]:
        return _made("embed", models, self._vector_options(), inputs=self._few(_texts(), WRONG))

    def embeds_of_shop(self, models: Anything) -> st.SearchStrategy[Call]:
        known = self._few(st.one_of(self._ids(), _records(self.shop)), WRONG)
        items = self._few(self._ids(), st.none())
        people = self._few(st.builds(lambda user: {"user": user}, self._users()), st.just({"user": {"id": []}}))
        return _made("embed", models, self._vector_options(), inputs=st.one_of(known, items, people))

    def classifies(self, models: Anything) -> st.SearchStrategy[Call]:
        books = st.fixed_dictionaries({"title": _texts()}, optional={"description": _texts(), "author": _texts()})
        texts, records = self._few(_texts(), WRONG), self._few(books, st.just({"title": 5}))
        return _made(
            "classify",
            models,
            self._label_options(),
            inputs=st.one_of(texts, records, self._few(books | _texts(), WRONG)),
        )

    def classifies_by_labels(self, models: Anything) -> st.SearchStrategy[Call]:
        labels = self._mostly(st.just(["rice", "trays", "answers"]), st.lists(_texts(), max_size=4))
        inputs = self._few(_texts(), WRONG)
        return _made("classify", models, self._label_options(), inputs=inputs, candidate_labels=labels)

    def recommends(self, models: Anything) -> st.SearchStrategy[Call]:
        record = st.builds(lambda record: {"record": record}, _records(self.shop))
        ids = st.builds(lambda items: {"items": items}, st.lists(self._ids(), min_size=1, max_size=3))
        items = st.builds(lambda items: {"items": items}, st.lists(_records(self.shop) | self._ids(), max_size=3))
        people = st.builds(lambda user: {"user": user}, self._users())
        anchors = st.one_of(people, people, ids, items, record, st.just({}))
        whose = self._mostly(anchors, st.builds(lambda one, other: {**one, **other}, anchors, anchors))
        return st.builds(
            lambda who, call: Call(call.task, {**call.body, **who}),
            whose,
            _made("recommend", models, self._list_options()),
        )

    def _vector_options(self) -> Options:
        return {
            "prompt": self._mostly(st.just("query"), st.just("nothing")),
            "dimensions": self._mostly(st.sampled_from([8, 16, 32]), st.sampled_from([-1, 0, 5, 64])),
            "normalize": self._mostly(st.just(True), st.just(False)),
            "output_dtype": self._mostly(st.sampled_from(["float32", "float16", "int8", "binary"]), st.just("float8")),
            "encoding_format": self._mostly(st.sampled_from(["float", "base64"]), st.just("hex")),
            "truncate": st.booleans(),
        }

    def _label_options(self) -> Options:
        return {
            "top_k": self._mostly(st.integers(1, 7), st.sampled_from([-1, 0])),
            "threshold": self._mostly(st.floats(0, 1, width=32), st.sampled_from([-0.5, 1.5])),
            "truncate": st.booleans(),
        }

    def _list_options(self) -> Options:
        conditions = self._mostly(self._conditions(), st.just({"weight": ["heavy"]}))
        filters = st.fixed_dictionaries({}, optional=dict.fromkeys(("required", "excluded", "any"), conditions))
        misspelt = {"misspelt": self._mostly(st.none(), st.just(1))} if self.mistakes else {}
        return {
            "k": self._mostly(st.integers(1, 20), st.sampled_from([-1, 0, 5000, "5"])),
            "exclude": st.lists(self._ids(), max_size=5),
            "exclude_seen": st.booleans(),
            "filters": self._mostly(filters, st.just({"forbidden": {}})),
            "diversity": self._mostly(st.floats(0, 1, width=32), st.sampled_from([-0.5, 1.5])),
            "explain": st.booleans(),
            **misspelt,
        }

    def _ids(self) -> Anything:
        return self._mostly(st.sampled_from(self.shop.items), st.sampled_from(["no-such-book", 7, ""]))

    def _users(self) -> Anything:
        attributes = st.fixed_dictionaries({}, optional={"country": st.just("usa"), "age": st.integers(10, 90)})
        return st.fixed_dictionaries(
            {},
            optional={
                "id": self._mostly(st.sampled_from(self.shop.readers), st.sampled_from(["nobody", 7, None])),
                "history": st.lists(self._ids(), max_size=5),
                "attributes": self._mostly(attributes, st.just({"shoe": 44})),
            },
        )

    def _conditions(self) -> Anything:
        values = self.shop.values
        return st.sampled_from(sorted(values)).flatmap(
            lambda name: st.fixed_dictionaries({name: st.lists(st.sampled_from(values[name]), min_size=1, max_size=2)})
        )

    def _few(self, usual: Anything, seldom: Anything) -> Anything:
        one = self._mostly(usual, seldom)
        return self._mostly(st.lists(one, min_size=1, max_size=4), st.just([]))

    def _mostly(self, usual: Anything, seldom: Anything) -> Anything:
        """Draw from `seldom` once in eight times, if there shall be mistakes."""
        if not self.mistakes:
            return usual
        return st.integers(0, 7).flatmap(lambda number: seldom if number == 7 else usual)


WRONG = st.sampled_from([None, 5, ["a list"], {}, {"nothing": "known"}])


def _made(task: Task, models: Anything, options: Options, **fields: Anything) -> st.SearchStrategy[Call]:
    """Return calls with all of the fields, and with each option as often as without it."""
    bodies = st.fixed_dictionaries({**fields, "model": models}, optional=dict(options))
    return bodies.map(
        lambda body: Call(task, {name: value for name, value in body.items() if name != "misspelt" or value})
    )


def _texts() -> st.SearchStrategy[str]:
    letters = st.text(st.sampled_from("abcdehlorstuw 数据é\n"), max_size=30)
    return st.sampled_from([*CORPUS, *TEXTS, LONG_TEXT]) | letters


def _records(shop: Shop) -> Anything:
    new = st.fixed_dictionaries(
        {"title": _texts()}, optional={"author": _texts(), "tags": st.lists(_texts(), max_size=3)}
    )
    return st.one_of(st.sampled_from(shop.records).map(dict), new)


def _values(records: Sequence[Mapping[str, Any]], path: str) -> list[str]:
    found: list[str] = []
    for record in records:
        value: Any = record
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        found += [str(each) for each in (value if isinstance(value, list) else [value]) if each]
    return sorted(set(found))[:10]
