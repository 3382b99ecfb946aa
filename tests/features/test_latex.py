import pytest

from features.clean import Cleaning

SIMPLIFY, DROP = Cleaning(latex="simplify"), Cleaning(latex="drop")


@pytest.mark.parametrize(
    ("raw", "simple"),
    [
        ("MoS$_2$ and $^{13}$C", "MoS2 and 13C"),
        (r"$\alpha$-RuCl$_3$", "alpha -RuCl3"),
        (
            r"Schr\"odinger, Poincar\'{e}, {\'E}tale, \c{c}a, Erd\H{o}s, na\"{\i}ve",
            "Schrödinger, Poincaré, Étale, ça, Erdős, naïve",
        ),
        (r"\O{}rsted, \AA ngstr\"om, Stra\ss e", "Ørsted, Ångström, Straße"),
        (r"\textbf{bold} and {\it italic} and \emph{more}", "bold and italic and more"),
        (r"as shown \cite{a2020,b2021} before", "as shown before"),
        (r"code at \href{https://x.org/a}{our page}", "code at our page"),
        (r"\textcolor{red}{seen}", "seen"),
        (r"gains of 5\% \& more, file\_name", "gains of 5% & more, file_name"),
        (r"\(O(n \log n)\) time", "O(n log n) time"),
        (r"$\mathbb{Z}_2$ and $\mathrm{SU}(2)$", "Z2 and SU(2)"),
        (r"an unknown \frobnicate here", "an unknown frobnicate here"),
        ("snake_case and 2^10 outside", "snake_case and 2^10 outside"),
        (r"trailing \ ", "trailing"),
        (r"$\frac{4}{3}$ of it", "4 3 of it"),
    ],
)
def test_simplified_latex_reads_as_words(raw: str, simple: str) -> None:
    assert SIMPLIFY.clean(raw) == simple


@pytest.mark.parametrize(
    ("raw", "dropped"),
    [
        (r"of order $10^{-3}$ at most", "of order at most"),
        (r"below $\sim$13 K", "below 13 K"),
        (r"then $$E = mc^2$$ follows, \[x\] too", "then follows, too"),
        ("between $5 and $10 a piece", "between 5 and 10 a piece"),
        (r"\emph{Erd\H{o}s} was here", "Erdős was here"),
    ],
)
def test_dropped_mathematics_leaves_the_prose(raw: str, dropped: str) -> None:
    assert DROP.clean(raw) == dropped
