"""Every variant that the whole-program test replays is a recipe that this witness knows, with networks that it can build."""
import pathlib
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "program"), str(pathlib.Path(__file__).resolve().parent)]
import program  # noqa: E402
import witness_variants as variants  # noqa: E402
from replay import networks  # noqa: E402
from replay.recipe import DEFAULTS, SILENT_SECTIONS, Recipe  # noqa: E402

SHAPES = {"ring": (2,), "dcgan28": (1, 28, 28), "dcgan32": (1, 32, 32)}
TABLES = ("OBJECTIVE", "LOSSES_AND_HOLDS", "TRICKS", "ON_PICTURES", "PICTURES", "POINTS", "STACKED", "WITH_BATCH_NORM", "OVER_RANKS", "MISTAKES")
# Tables of keys that only some networks have; all others are for each.
ONLY = {"PICTURES": ("dcgan28", "dcgan32"), "POINTS": ("ring",), "STACKED": ("dcgan28",)}


class Variants(unittest.TestCase):
    def test_each_is_known(self):
        for table in TABLES:
            for name, keys in getattr(variants, table).items():
                for network, shape in SHAPES.items():
                    if network not in ONLY.get(table, SHAPES):
                        continue
                    with self.subTest(table=table, name=name, network=network):
                        recipe = Recipe(program.recipe_text(network, **keys))
                        for index, which in enumerate(("generator", "discriminator")):
                            self.assertGreater(len(networks.initial_weights(1, index, networks.build(recipe, which, shape, 10))), 0)

    def test_every_key_that_changes_what_is_computed_stands_in_one(self):
        used = {key.replace("__", ".") for table in TABLES for keys in getattr(variants, table).values() for key in keys}
        # What every recipe has, settings that only one other key reads, and what the plain runs try.
        elsewhere = {"latent.size", "average.decay", "replay.capacity", *(f"{which}.{key}" for which in ("generator", "discriminator") for key in ("kind", "width", "depth")),
                     "tricks.real_target", "tricks.fake_target", "tricks.noisy_real_low", "tricks.noisy_real_high", "balance.target", "balance.bound"}
        missing = [f"{section}.{key}" for section, keys in DEFAULTS.items() if section not in (*SILENT_SECTIONS, "optimizer") for key in keys
                   if f"{section}.{key}" not in used | elsewhere]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main()
