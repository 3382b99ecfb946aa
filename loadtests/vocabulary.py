"""The words of the generated workload: English-like, ours, and drawn with Zipf's frequencies.

A subword tokeniser knows the frequent words whole and splits the rare ones, so what a text costs depends on how often
rare words come. The head of the list is function words, the middle plain nouns, verbs and adjectives, and the tail
words built from stems and endings: together 1.2 to 1.4 WordPiece tokens a word, which is what prose has.
"""

import numpy as np
from numpy.typing import NDArray

ZIPF_EXPONENT = 1.2
"""Frequency of the word of rank r is proportional to 1 / (r + ZIPF_SHIFT) ** ZIPF_EXPONENT."""

ZIPF_SHIFT = 2.7

_FUNCTION = """the of and to a in that it is was for on with as by at from this her his be are which or had not but
they their an were she he its have has one all there would been when who will more no if out so up what about into than
them can only other some time could these two may then do first any my now such like our over me even most made after
also did many before must through back years where much your way well down should because each just those people how
too little good very still"""

_PLAIN = """river window letter garden market winter summer harbour station island mountain valley village captain
teacher doctor sister brother mother father daughter stranger soldier writer painter singer farmer builder keeper engine
signal method model surface pressure measure sample pattern network process result theory problem answer question number
table figure paper chapter story journey promise secret shadow silver golden wooden broken hidden ancient modern gentle
bitter hungry lonely quiet sudden narrow distant careful honest bright heavy early later morning evening midnight
weather thunder forest desert ocean bridge tower castle kitchen candle mirror blanket basket bottle copper iron marble
paper leather cotton velvet carry follow gather travel wander remember forget discover explain describe compare improve
reduce increase predict observe believe imagine deliver protect repair return arrive escape borrow listen whisper laugh
argue decide choose consider suggest reveal connect divide measure balance temper matter reason season history music
language culture science nature memory future silence courage fortune justice freedom danger mercy wonder sorrow anger
hunger labour trade profit debt tax vote law court crime police army border treaty empire colony capital village crowd
family marriage birth death burial feast dance song poem stage actor camera film record studio radio paint canvas bronze
cell protein enzyme tissue neuron muscle lung kidney virus fever wound cure nurse clinic trial dose placebo symptom
orbit planet comet galaxy photon electron atom crystal laser plasma magnet field charge voltage current circuit sensor
matrix vector tensor kernel cluster graph lattice prime integer fraction proof lemma bound limit curve angle sphere
oak pine willow moss fern clover barley wheat apple cherry honey butter bread salt pepper ginger garlic onion soup
horse sheep goat otter badger falcon sparrow raven salmon trout lobster beetle spider hornet"""

_STEMS = """lantern harrow thistle bramble cinder marrow pebble saddle tallow wicker quarry timber gravel
anchor ember hollow meadow spindle copper rafter orchard barrel cobble feather hearth ledger mortar nettle parcel ribbon
chron spectr morph graph therm electr magnet psych neur cardi derm hydr lith phot semin tempor radi capill arbor
"""

_ENDINGS = """wright smith ward keeper worn bound less ness ish ly ing ed fold stead side ward lore craft song
ologist ography ometric oscopy ational ically iferous ability"""


def words() -> list[str]:
    """Return the vocabulary, most frequent word first."""
    built = [stem + ending for ending in _ENDINGS.split() for stem in _STEMS.split()]
    return list(dict.fromkeys([*_FUNCTION.split(), *_PLAIN.split(), *built]))


def frequencies(size: int) -> NDArray[np.float64]:
    """Return the probability of each rank, [size], after Zipf and Mandelbrot."""
    weights = 1.0 / (np.arange(1, size + 1) + ZIPF_SHIFT) ** ZIPF_EXPONENT
    chances: NDArray[np.float64] = weights / weights.sum()
    return chances
