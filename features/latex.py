"""LaTeX as abstracts hold it -> words. No parser: what is not understood keeps its name and loses its backslash.

Callers send these texts: no pattern here may hold two neighbouring repetitions that take the same characters.
"""

import re
import unicodedata

DELIMITERS = re.compile(r"\\[()\[\]]")
MATH = re.compile(r"(?<!\\)(\$\$?)(?:(?=[^\s$\d])([^$]*)(?<=[^\s\\])\1|(?=\d)([^$]*)(?<=[^\s\\])\1(?!\d))")
SCRIPTS = re.compile(r"[_^]+")
ACCENTED = re.compile(
    r"""\\(?:(['"`^~=.])|([cvuHkrbd])(?=[ ]?\{|[ ]\\?[A-Za-z]\b))[ ]?(?:\{[ ]?)?\\?([A-Za-z])(?![A-Za-z]*\{)\}?"""
)
SILENT = re.compile(
    r"\\(?:cite[a-z]*|label|ref|eqref|textcolor|color|unicode|begin|end|vspace|hspace)\*?\s*(?:\[[^\[\]{}]*\])?\{[^{}]*\}"
)
LINK = re.compile(r"\\href\s*\{[^{}]*\}")
FORMATTING = re.compile(
    r"\\(?:text(?:bf|it|tt|sc|rm|sf|sl|up|md|normal|superscript|subscript)?|emph|underline|uline|overline|mbox|hbox"
    r"|math(?:rm|cal|bb|bf|sf|tt|it|scr|frak|ring)|boldsymbol|bm|operatorname|ensuremath|url|footnote"
    r"|rm|it|bf|em|tt|sf|sc|sl|cal|small|large|left|right|[bB]igg?[lrm]?|displaystyle|boldmath|noindent|limits"
    r"|bar|hat|tilde|widetilde|widehat|vec|dot|ddot|[td]?frac)(?![A-Za-z])\*?[ ]?"
)
LETTERS = {"aa": "å", "AA": "Å", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ", "o": "ø", "O": "Ø", "l": "ł", "L": "Ł",
           "ss": "ß", "i": "i", "j": "j"}  # fmt: skip
LETTER = re.compile(r"\\(aa|AA|ae|AE|oe|OE|o|O|l|L|ss|i|j)(?![A-Za-z])(?:\{\}|[ ](?=\S))?")
NAME = re.compile(r"\\([A-Za-z]+)\*?")
ESCAPED = re.compile(r"\\([%&_#])")
BLANK = re.compile(r"\\(?:[^A-Za-z%&_#]|$)|\\", re.DOTALL)
GROUPING = str.maketrans("", "", "${}")

COMBINING = {"'": "\u0301", '"': "\u0308", "`": "\u0300", "^": "\u0302", "~": "\u0303", "=": "\u0304", ".": "\u0307",
             "c": "\u0327", "v": "\u030c", "u": "\u0306", "H": "\u030b", "k": "\u0328", "r": "\u030a", "b": "\u0331",
             "d": "\u0323"}  # fmt: skip


def has_latex(text: str) -> bool:
    """Tell whether there may be any."""
    return "\\" in text or "$" in text


def drop_math(text: str) -> str:
    """Leave out what stands between dollars or \\( \\) or \\[ \\]; money, as in $5 and $10, is no mathematics."""
    return MATH.sub(" ", DELIMITERS.sub("$", text))


def simplify(text: str) -> str:
    """Return words: accents as characters, `MoS$_2$` as MoS2, symbols by name, formatting and braces gone."""
    text = MATH.sub(_flat, DELIMITERS.sub("$", text))
    if "\\" in text:
        text = ACCENTED.sub(_accent, text)
        text = SILENT.sub(" ", LINK.sub(" ", text))
        text = FORMATTING.sub("", text)
        text = LETTER.sub(lambda match: LETTERS[match[1]], text)
        text = NAME.sub(r" \1 ", text)
        text = BLANK.sub(" ", ESCAPED.sub(r"\1", text))
    return text.replace("}{", " ").translate(GROUPING)


def _flat(math: re.Match[str]) -> str:
    return SCRIPTS.sub("", math[2] or math[3])


def _accent(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", match[3] + COMBINING[match[1] or match[2]])
