"""Texts that gates run over: prose of all lengths, and everything that has ever broken a tokeniser."""

import numpy as np

from export.sentences import write_passage

ODD = (
    "",
    " ",
    "\n\t \n",
    "a",
    "é",
    "?",
    "数",
    "数据",
    "😀",
    "🎉🔥 party 🚀🚀🚀",
    "👩‍👩‍👧‍👦 family",
    "\x00",
    "\x01\x07 control\x1b[0m",
    "zero\u200bwidth\u200djoiners",
    "\ufeffbyte order mark",
    "\U000e0041 tag",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤a̴̵̞l̨͇g̷o̡",
    "これは日本語の文章です。",
    "한국어 문장입니다",
    "мир труд май",
    "مرحبا بالعالم",
    "שלום עולם",
    "ภาษาไทยไม่มีช่องว่าง",
    "हिन्दी में एक वाक्य",
    "$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}$",
    "\\begin{equation} E = mc^2 \\end{equation}",
    "[CLS] [SEP] [PAD] [MASK]",
    "<s></s><pad>",
    "SELECT * FROM t; --",
    "<script>alert(1)</script>",
    "https://example.org/?q=a%20b#c",
    "e@x.org",
    "1234567890 " * 40,
    "A" * 300,
    "x" * 10_000,
    "word " * 2_000,
    "深度学习是机器学习的一个分支" * 60,
    "😀" * 500,
    "." * 1_000,
    "- - " * 300,
    "ﬁ ligature ﬀ ½ ™",
)


def probe_texts(count: int = 512, seed: int = 0) -> list[str]:
    """Return `count` texts: every odd one, and generated passages of 1 to 180 words between them."""
    rng = np.random.default_rng(seed)
    odd = list(ODD[:count])
    # Squared, so that short texts, of which requests have many, outnumber the long ones, which cost time.
    lengths = 1 + 180 * rng.random(count - len(odd)) ** 2
    passages = [write_passage(int(words), rng) for words in lengths]
    mixed = [*odd, *passages]
    return [mixed[at] for at in rng.permutation(count)]
