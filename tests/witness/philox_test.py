"""The NumPy Philox gives the published answers, and the streams built on it keep what the formats promise."""
import pathlib
import sys
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import philox  # noqa: E402
from streams import Streams, rank_shares  # noqa: E402


class Philox(unittest.TestCase):
    def test_known_answers_of_random123(self):
        ones = 0xFFFFFFFF
        for counter, key, expected in [
                ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
                ((ones,) * 4, (ones, ones), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
                ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1")]:
            self.assertEqual(" ".join(f"{int(word):08x}" for word in philox.philox(counter, key)), expected)

    def test_rows_do_not_depend_on_where_a_rank_begins(self):
        whole = philox.normal(7, "z_d", 3, 0, 10, 6)
        self.assertTrue(np.array_equal(whole[4:9], philox.normal(7, "z_d", 3, 4, 5, 6)))
        self.assertFalse(np.array_equal(whole, philox.normal(7, "z_g", 3, 0, 10, 6)))
        self.assertFalse(np.array_equal(whole, philox.normal(7 + 2 ** 32, "z_d", 3, 0, 10, 6)))   # the seed's high half counts

    def test_moments(self):
        z = philox.normal(0, "z_d", 0, 0, 1000, 1000)
        self.assertLess(abs(z.mean()), 0.004)
        self.assertLess(abs(z.var() - 1), 0.005)
        u = 2 * philox.uniform(0, "z_d", 0, 0, 1000, 1000) - 1
        self.assertLess(abs(u.var() - 1 / 3), 0.001)

    def test_permutation_is_one(self):
        for n in (0, 1, 2, 17, 1000):
            self.assertEqual(sorted(philox.permutation(1, n, 2, 3, 4)), list(range(n)))
        self.assertNotEqual(philox.permutation(1, 17, 2, 3, 4), philox.permutation(1, 17, 2, 3, 5))


class StreamOrder(unittest.TestCase):
    def test_every_epoch_holds_each_sample_once_in_each_stream(self):
        for chunks, v, n in [([60, 60, 7], 5, 12), ([1] * 40, 7, 50), ([300], 48, 48), ([9, 1, 30], 10, 10)]:
            with self.subTest(chunks=chunks, streams=v):
                streams = Streams(seed=11, chunks=chunks, streams=v)
                for _ in range(3 * streams.samples // n):
                    self.assertEqual(len(streams.next(n)), n)
                size = streams.samples
                for e in range(2):
                    seen = []
                    for k in range(v):
                        seen += streams.orders[k][(e * size + k) // v:((e + 1) * size + k) // v]
                    self.assertEqual(sorted(seen), list(range(size)))

    def test_fifty_samples_of_seven_streams_on_three_ranks(self):
        self.assertEqual(rank_shares(Streams(0, [1500], 7).shares(50), 3), [14, 14, 22])


if __name__ == "__main__":
    unittest.main()
