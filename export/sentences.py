"""Generated English sentences with known meaning: a scene has slots, and each slot can be worded several ways."""

from typing import NamedTuple

import numpy as np


class Scene(NamedTuple):
    """What a sentence says; each field is a position in that slot's list of meanings."""

    who: int
    act: int
    what: int
    where: int
    when: int


def draw_scene(rng: np.random.Generator) -> Scene:
    """Draw a scene."""
    return Scene(*(int(rng.integers(len(slot))) for slot in _SLOTS))


def vary(scene: Scene, changes: int, rng: np.random.Generator) -> Scene:
    """Return the scene with `changes` of its slots, drawn at random, set to another meaning."""
    values = list(scene)
    for slot in rng.permutation(len(values))[:changes]:
        others = [meaning for meaning in range(len(_SLOTS[slot])) if meaning != values[slot]]
        values[slot] = int(rng.choice(others))
    return Scene(*values)


def write_scene(scene: Scene, rng: np.random.Generator) -> str:
    """Write a scene as a sentence; words and word order are drawn, the meaning is kept."""
    words = [str(rng.choice(slot[meaning])) for slot, meaning in zip(_SLOTS, scene, strict=True)]
    who, act, what, where, when = words
    return str(rng.choice(_ORDERS)).format(who=who, act=act, what=what, where=where, when=when)


def write_passage(words: int, rng: np.random.Generator) -> str:
    """Write sentences one after the other, cut after `words` words."""
    written: list[str] = []
    while len(written) < words:
        written += write_scene(draw_scene(rng), rng).split()
    return " ".join(written[:words])


_ORDERS = (
    "{who} {act} {what} {where} {when}.",
    "{when}, {who} {act} {what} {where}.",
    "{where}, {when}, {who} {act} {what}.",
    "We heard that {who} {act} {what} {where} {when}.",
)

_WHO = (
    ("a doctor", "a physician", "someone who treats patients"),
    ("a farmer", "a man who grows crops", "the owner of a farm"),
    ("a pianist", "someone who plays the piano", "a keyboard player"),
    ("two physicists", "a pair of scientists who study matter", "two researchers in physics"),
    ("the mayor", "the head of the town council", "the city's elected leader"),
    ("a small child", "a young kid", "a toddler"),
    ("an old sailor", "a retired seaman", "an aged mariner"),
    ("a programmer", "a software developer", "someone who writes code"),
    ("a football team", "a group of footballers", "eleven soccer players"),
    ("a thief", "a burglar", "someone who steals"),
)
_ACT = (
    ("bought", "purchased", "paid for"),
    ("repaired", "fixed", "mended"),
    ("lost", "misplaced", "could no longer find"),
    ("painted", "put paint on", "coloured"),
    ("described", "told people about", "gave an account of"),
    ("hid", "concealed", "put out of sight"),
    ("measured", "took the measure of", "determined the size of"),
    ("sold", "gave away for money", "found a buyer for"),
    ("photographed", "took a picture of", "made a photo of"),
)
_WHAT = (
    ("a bicycle", "a bike", "a two-wheeler"),
    ("a wooden boat", "a small vessel made of wood", "a rowing boat"),
    ("a telescope", "an instrument for watching the stars", "a device that shows distant planets"),
    ("a loaf of bread", "some freshly baked bread", "a bread loaf"),
    ("an old map", "an ancient chart", "a map from long ago"),
    ("a laptop", "a portable computer", "a notebook computer"),
    ("a diamond ring", "a piece of jewellery with a diamond", "a ring set with a precious stone"),
    ("a violin", "a fiddle", "a stringed instrument"),
    ("a grey horse", "a stallion with grey hair", "a horse of grey colour"),
    ("a medicine bottle", "a flask of medicine", "a small bottle of drugs"),
)
_WHERE = (
    ("in the hospital", "at the clinic", "inside a ward"),
    ("on the beach", "by the sea shore", "on the sand beside the ocean"),
    ("in the library", "among the book shelves", "in a reading room"),
    ("at the railway station", "on the platform where trains stop", "at the train station"),
    ("in the mountains", "high up among the peaks", "on an alpine slope"),
    ("in a crowded market", "between the stalls of a busy market", "in a bazaar full of people"),
    ("in the kitchen", "beside the stove", "in the room where meals are cooked"),
)
_WHEN = (
    ("last winter", "during the cold season", "when there was snow"),
    ("at midnight", "in the middle of the night", "at twelve at night"),
    ("on Sunday morning", "early on Sunday", "on the morning of Sunday"),
    ("after the war", "when the war was over", "once peace had come"),
    ("during the concert", "while the orchestra played", "as the music was playing"),
)
_SLOTS = (_WHO, _ACT, _WHAT, _WHERE, _WHEN)
