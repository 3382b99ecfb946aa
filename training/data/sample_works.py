"""Generated fan works: worlds with characters, ships and matters of their own, and devices that all worlds share.

Nothing names the ship but `relationship`; its characters turn up in free tags, titles and summaries of many of its
works, as in the archive, so that ships can be found without being told. Only `random.Random` and sums decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from random import Random
from typing import TypeVar

import polars as pl

from training.data.fanworks import SCHEMA
from training.data.sample import PREFIX

WORLDS, CHARACTERS, SHIPS, MATTERS = 14, 8, 6, 10
STARTS = ("Al", "Bri", "Cor", "Da", "El", "Fen", "Gal", "Hi", "Is", "Jo", "Ka", "Lu", "Mir", "No", "Or", "Pel", "Ri")
MIDDLES = ("ba", "da", "la", "mi", "na", "ri", "sha", "ti", "vo", "we")
ENDS = ("n", "ra", "s", "th", "lis", "mar", "ne", "ko", "del", "x")
DEVICES = (
    "Fluff", "Angst", "Slow Burn", "Hurt/Comfort", "Alternate Universe - Coffee Shops", "Friends to Lovers",
    "Enemies to Lovers", "Found Family", "One Shot", "Humor", "Mutual Pining", "Established Relationship",
    "Fake/Pretend Relationship", "Canon Divergence", "Post-Canon", "Drabble", "Crack", "Soulmates", "Time Travel",
)  # fmt: skip
RATINGS = ("Teen And Up Audiences", "General Audiences")
WARNINGS = ("No Archive Warnings Apply", "Creator Chose Not To Use Archive Warnings")
CATEGORIES = ("Gen", "F/F", "M/M", "F/M")
NAMED, MATTER, OTHER = 0.6, 0.7, 0.15
"""Shares of works that name the ship's characters, that have a matter of their world, and that are of a second ship."""
FIRST_DAY, DAYS = date(2015, 1, 1), 2500
MOST_KUDOS = 40_000

T = TypeVar("T")


@dataclass(frozen=True)
class _Ship:
    name: str
    characters: tuple[str, str]
    category: str
    matters: tuple[str, ...]
    """What its works turn around more than others of the world do."""


@dataclass(frozen=True)
class _World:
    name: str
    ships: tuple[_Ship, ...]
    matters: tuple[str, ...]


def sample_works(rows: int = 3000, seed: int = 0) -> pl.DataFrame:
    """Generate fan works, see `training.data.fanworks.SCHEMA`."""
    random = Random(seed)
    worlds = [_world(random) for _ in range(WORLDS)]
    return pl.DataFrame([_work(random, at, worlds) for at in range(rows)], schema=SCHEMA)


def _world(random: Random) -> _World:
    people = [f"{_name(random)} {_name(random)}" for _ in range(CHARACTERS)]
    matters = tuple(f"{_name(random)} {random.choice(('Arc', 'House', 'War', 'Festival'))}" for _ in range(MATTERS))
    ships = []
    for _ in range(SHIPS):
        a, b = sorted(random.sample(people, 2))
        category = random.choice(CATEGORIES)
        ships.append(_Ship(f"{a} & {b}" if category == "Gen" else f"{a}/{b}", (a, b), category,
                           tuple(random.sample(matters, 2))))  # fmt: skip
    return _World(
        f"The {_name(random)} {random.choice(('Saga', 'Chronicles (TV)', 'Academia'))}", tuple(ships), matters
    )


def _work(random: Random, at: int, worlds: Sequence[_World]) -> dict[str, object]:
    world = _favourite(random, worlds)
    ship = _favourite(random, world.ships)
    ships = {ship.name: None} | ({random.choice(world.ships).name: None} if random.random() < OTHER else {})
    tags = random.sample(DEVICES, 1 + int(4 * random.random()))
    if random.random() < MATTER:
        tags.append(random.choice(ship.matters if random.random() < 0.6 else world.matters))
    if random.random() < NAMED:
        tags += [f"{random.choice(('Protective', 'Soft', 'Sad', 'Oblivious'))} {person}" for person in ship.characters]
    random.shuffle(tags)
    hero = random.choice(ship.characters).split()[0]
    kudos = int(MOST_KUDOS / (1 + 200 * random.random()))
    published = FIRST_DAY + timedelta(days=int(DAYS * random.random()))
    return {
        "id": f"{PREFIX}{at:06d}",
        "title": _title(random, hero),
        "authors": [_name(random).lower()],
        "summary": f"{hero} meets {random.choice(ship.characters).split()[0]}. {random.choice(DEVICES)}."
        if random.random() < 0.7 else "",
        "tags": {
            "fandom": [world.name], "category": [ship.category], "rating": [random.choice(RATINGS)], "character": [],
            "relationship": list(ships), "freeform": list(dict.fromkeys(tags)), "warning": [random.choice(WARNINGS)],
        },
        "statistics": {"kudos": kudos, "published": published.isoformat()},
        "language": "English",
    }  # fmt: skip


def _title(random: Random, hero: str) -> str:
    words = ("light", "winter", "home", "again", "quiet", "stars", "letters", "morning", "rain", "promise", "hands")
    first, second = random.sample(words, 2)
    return (
        f"{hero} and the {first}"
        if random.random() < 0.25
        else f"{first} {random.choice(('of', 'in', 'after'))} {second}"
    )


def _favourite(random: Random, things: Sequence[T]) -> T:
    return random.choices(things, cum_weights=list(accumulate(1 / (2 + at) for at in range(len(things)))))[0]


def _name(random: Random) -> str:
    return random.choice(STARTS) + random.choice(MIDDLES) + random.choice(ENDS)
