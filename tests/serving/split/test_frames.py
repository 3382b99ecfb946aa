import numpy as np

from features.rows import FeatureRow
from serving.split.frames import pack_request, unpack, unpack_rows


def test_rows_of_several_arrays_of_several_lengths_survive_the_way() -> None:
    rows = [
        FeatureRow(
            {
                "input_ids": np.arange(tokens, dtype=np.int64),
                "ngram_ids": np.arange(ngrams, dtype=np.int64) * 7,
                "ngram_weights": np.linspace(0, 1, ngrams, dtype=np.float32),
            },
            tokens,
        )
        for tokens, ngrams in [(3, 5), (1, 1), (8, 2)]
    ]
    header, payload = unpack(pack_request(4, "papers", rows, 2.5))
    assert (header["id"], header["model"], header["timeout_s"]) == (4, "papers", 2.5)
    for sent, got in zip(rows, unpack_rows(header, payload), strict=True):
        assert got.tokens == sent.tokens
        for name, array in sent.arrays.items():
            assert got.arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(got.arrays[name], array)
