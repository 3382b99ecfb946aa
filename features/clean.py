"""Raw text -> the text that a model reads. Stateless, total and idempotent: cleaning what is clean changes nothing."""

import html
import re
import unicodedata
from typing import Literal

from pydantic import BaseModel, ConfigDict

from features.latex import drop_math, has_latex, simplify

ROUNDS = 6
"""How often markup may uncover more markup, such as an entity that spells a tag; no honest text needs more."""

AMPERSANDS = re.compile(r"&(?:(?:amp|#0{0,8}38|#x0{0,8}26);)+", re.IGNORECASE)
TAGS = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|br|center|cite|code|dd|div|dl|dt|em|font|h[1-6]|hr|i|img|ins|del|li|ol|p|pre|q|s"
    r"|small|span|strike|strong|sub|sup|table|tbody|td|th|thead|tr|tt|u|ul)(?:\s+[\w:-]+\s*=[^<>]*)?\s*/?>|<!--[^<>]*-->",
    re.IGNORECASE,
)
INLINE = re.compile(r"</?(?:a|abbr|b|big|em|font|i|ins|s|small|span|strong|sub|sup|tt|u)\b", re.IGNORECASE)
INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
MARKUP = re.compile(r"[&<\\$]")


class Cleaning(BaseModel):
    """What is done to each field of a record; kept in a bundle's `features.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    markup: bool = True
    """Whether HTML entities become their characters and HTML tags go; angle brackets that are no HTML stay."""
    latex: Literal["keep", "simplify", "drop"] = "keep"
    """simplify: words and names of symbols stay, dollars, braces and formatting go, accents become characters;
    drop: the same with all mathematics left out. Dollars that are money go too: keep is right for anything but TeX."""

    def clean(self, text: str) -> str:
        """Return the text in Unicode NFC, without control characters, markup and runs of blanks; never raises."""
        cleaned = self._once(text)
        if not ("&" in cleaned or "<" in cleaned or has_latex(cleaned)):
            return cleaned
        for _ in range(ROUNDS):
            again = self._once(cleaned)
            if again == cleaned:
                return cleaned
            cleaned = again
        return self._once(MARKUP.sub(" ", cleaned))

    def _once(self, text: str) -> str:
        if self.markup and "&" in text:
            text = html.unescape(AMPERSANDS.sub("&", text))
        if self.markup and "<" in text:
            text = TAGS.sub(_gap, text)
        if self.latex != "keep" and has_latex(text):
            text = simplify(drop_math(text) if self.latex == "drop" else text)
        text = _squeezed(text)
        if text.isascii() or unicodedata.is_normalized("NFC", text):
            return text
        return _squeezed(unicodedata.normalize("NFC", text))


def _squeezed(text: str) -> str:
    """Return the text without invisible characters and with single blanks; most texts are so already."""
    if not text.isprintable():  # neither are line ends and all blanks but the common one
        text = INVISIBLE.sub("", " ".join(text.split()))
    return text.strip() if "  " not in text else " ".join(text.split())


def _gap(tag: re.Match[str]) -> str:
    """Return what a tag leaves behind: nothing inside of words, such as H<sub>2</sub>O, a blank between blocks."""
    return "" if INLINE.match(tag[0]) else " "
