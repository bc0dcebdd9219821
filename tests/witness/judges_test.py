"""The judges judge real digits rightly: test images pass and are no copies; copies, missing digits and noise are found."""
import pathlib
import sys
import tempfile
import unittest

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import judge_samples  # noqa: E402
import mnist_classifier  # noqa: E402
import nearest_training  # noqa: E402
from samples import samples_of  # noqa: E402


class Judges(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.images, cls.labels = mnist_classifier.read_mnist("t10k")
        cls.network = mnist_classifier.classifier()

    def judge(self, images):
        shares, confident = judge_samples.judge(images, self.network)
        return shares.min() >= judge_samples.SHARE and confident >= judge_samples.CONFIDENT

    def test_the_classifier_is_good(self):
        self.assertGreaterEqual(mnist_classifier.accuracy(self.network, mnist_classifier.ROOT / "datasets" / "mnist"), 0.99)

    def test_real_digits_pass_and_fewer_modes_or_noise_do_not(self):
        self.assertTrue(self.judge(self.images[:1000]))
        self.assertFalse(self.judge(self.images[self.labels != 4][:1000]))
        noise = np.random.default_rng(0).integers(0, 256, (1000, 28, 28)).astype(np.uint8)
        self.assertFalse(self.judge(noise))

    def test_copies_are_found(self):
        training, _ = mnist_classifier.read_mnist("train")
        index, distance = nearest_training.nearest(training[100:110], training[:2000])
        self.assertEqual(index.tolist(), list(range(100, 110)))
        self.assertEqual(distance.max(), 0)
        self.assertGreater(nearest_training.nearest(self.images[:50], training[:2000])[1].min(), 1)
        self.assertEqual(nearest_training.sheet(training[:10], training[:10]).shape, (60, 8 * 58))

    def test_samples_are_read_from_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "samples.h5"
            with h5py.File(path, "w") as file:
                file["samples"] = self.images[:20, :, :, None]
            self.assertTrue(np.array_equal(samples_of(path, 20), self.images[:20]))
            with self.assertRaises(SystemExit):
                samples_of(path, 21)


if __name__ == "__main__":
    unittest.main()
