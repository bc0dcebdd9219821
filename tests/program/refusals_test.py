"""Each misuse that the specification's table of compatibility names ends with 78, the key, the reason and the way out; nothing is made."""
import unittest

import program

PENALTY = {"regularizers__gradient_penalty": 10.0}
# (name, network, keys of the recipe, what the message must hold)
MISUSES = [
    ("clip and penalty", "ring", {"regularizers__weight_clip": 0.01, **PENALTY}, ["weight_clip", "gradient_penalty", "keep one"]),
    ("clip and spectral norm", "ring", {"regularizers__weight_clip": 0.01, "discriminator__spectral_norm": True}, ["weight_clip", "spectral_norm", "keep one"]),
    ("batch norm and penalty", "dcgan32", PENALTY, ["discriminator.norm", "couples", '"none"']),
    ("batch norm asked for, and penalty", "ring", {"discriminator__norm": "batch", **PENALTY}, ["discriminator.norm", "couples"]),
    ("smoothing and hinge", "ring", {"objective__loss": "hinge", "tricks__label_smoothing": "one_sided"}, ["label_smoothing", "cross-entropy", '"off"']),
    ("flips and critic", "ring", {"objective__loss": "wasserstein", "tricks__label_flip": 0.1}, ["label_flip", "cross-entropy"]),
    ("smoothing and relativistic", "ring", {"objective__loss": "relativistic", "tricks__label_smoothing": "noisy"}, ["label_smoothing", "cross-entropy"]),
    ("smoothing and pairs", "ring", {"objective__d_batch": "paired", "tricks__label_smoothing": "one_sided"}, ["label_smoothing", "paired"]),
    ("target above 1", "ring", {"tricks__label_smoothing": "one_sided", "tricks__real_target": 1.2}, ["real_target", "at most 1"]),
    ("noise upside down", "ring", {"tricks__label_smoothing": "noisy", "tricks__noisy_real_low": 0.9, "tricks__noisy_real_high": 0.8},
     ["noisy_real_low", "above noisy_real_high", "lower it"]),
    ("too many flips", "ring", {"tricks__label_flip": 0.6}, ["label_flip", "0.5"]),
    ("pairs and packs", "ring", {"objective__d_batch": "paired", "objective__pack": 2}, ["objective.pack", "paired"]),
    ("pairs and relativistic", "ring", {"objective__d_batch": "paired", "objective__loss": "relativistic"}, ["objective.loss", "paired"]),
    ("pairs and features", "ring", {"objective__d_batch": "paired", "tricks__feature_matching": 0.1}, ["feature_matching", "pairs"]),
    ("pairs of an odd batch", "ring", {"objective__d_batch": "paired", "data__global_batch": 49}, ["global_batch", "odd"]),
    ("slots without packs", "ring", {"objective__pack_slots": True}, ["pack_slots", "objective.pack"]),
    ("projection and packs", "ring", {"conditional__kind": "projection", "objective__pack": 2}, ["objective.pack", "projection"]),
    ("projection and pairs", "ring", {"conditional__kind": "projection", "objective__d_batch": "paired"}, ["d_batch", "projection"]),
    ("classifier and packs", "ring", {"conditional__kind": "classifier", "objective__pack": 2}, ["objective.pack", "classifier"]),
    ("pairs and classifier", "ring", {"objective__d_batch": "paired", "conditional__kind": "classifier"}, ["d_batch", "names one"]),
    ("equalized and spectral norm", "ring", {"discriminator__equalized_lr": True, "discriminator__spectral_norm": True}, ["equalized_lr", "spectral_norm"]),
    ("conditional norm without classes", "dcgan28", {"generator__norm": "conditional"}, ["generator.norm", "conditional.kind"]),
    ("critic and balance", "ring", {"objective__loss": "wasserstein", "balance__mode": "lr"}, ["balance.mode", "critic"]),
    ("critic and ADA", "dcgan28", {"objective__loss": "wasserstein", "augment__ada": True}, ["augment.ada", "critic"]),
    ("balance upside down", "ring", {"balance__mode": "steps", "balance__low": 0.9, "balance__high": 0.6}, ["balance.low", "below"]),
    ("changing steps from too many", "ring", {"balance__mode": "steps", "objective__d_steps": 6}, ["balance.mode", "d_steps", "1 to 5"]),
    ("steps and simultaneous", "ring", {"balance__mode": "steps", "objective__order": "simultaneous"}, ["balance.mode", "simultaneous"]),
    ("simultaneous and several steps", "ring", {"objective__order": "simultaneous", "objective__d_steps": 2}, ["objective.order", "must be 1"]),
    ("G first and reused fakes", "ring", {"objective__order": "g_first", "tricks__reuse_fakes": True}, ["reuse_fakes", "g_first"]),
    ("two ways to clip", "ring", {"tricks__clip_d_norm": 1.0, "tricks__clip_d_value": 0.5}, ["clip_d_value", "keep one"]),
    ("discrimination in micro-batches", "ring", {"objective__accumulate": 2, "discriminator__minibatch_discrimination": 4}, ["accumulate", "minibatch_discrimination"]),
    ("groups over micro-batches", "ring", {"objective__accumulate": 2, "discriminator__minibatch_stddev": 4}, ["accumulate", "micro-batches"]),
    ("packs over micro-batches", "ring", {"objective__accumulate": 2, "objective__pack": 2}, ["accumulate", "micro-batches"]),
    ("reference in micro-batches", "ring", {"objective__accumulate": 2, "discriminator__norm": "virtual"}, ["accumulate", "reference batch"]),
    ("rounded gradients in float64", "ring", {"parallel__wire": "bf16", "run__precision": "float64"}, ["parallel.wire", "float64", "native"]),
    ("rounded gradients and virtual ranks", "ring", {"parallel__wire": "bf16", "parallel__virtual_ranks": 2, "run__precision": "float32"},
     ["parallel.wire", "virtual_ranks", "native"]),
    ("virtual ranks that do not divide", "ring", {"parallel__virtual_ranks": 3}, ["virtual_ranks = 3", "power of two"]),
    ("more micro-batches than samples", "ring", {"objective__accumulate": 49}, ["accumulate", "more than", "48"]),
    ("more micro-batches than streams fill", "ring", {"objective__accumulate": 16, "data__streams": 4}, ["accumulate", "16 micro-batches", "data.streams"]),
    ("reused fakes against uneven reals", "ring",
     {"tricks__reuse_fakes": True, "objective__loss": "relativistic", "data__global_batch": 50, "data__streams": 7}, ["reuse_fakes", "data.streams = 7", "50"]),
    ("augmented points", "ring", {"augment__policy": "translation"}, ["augment.policy", "points"]),
    ("unknown augmentation", "dcgan28", {"augment__policy": "color,shake"}, ["shake", "color"]),
    ("images and changing steps", "ring", {"run__steps": None, "run__images": 96, "balance__mode": "steps"}, ["run.images", "run.steps"]),
    ("falling rate and changing steps", "ring", {"optimizer__generator__schedule": "cosine", "balance__mode": "steps"}, ["balance.mode", "schedule_steps"]),
    ("reference of one sample", "ring", {"discriminator__norm": "virtual", "data__global_batch": 1}, ["discriminator.norm", "at least 2"]),
    ("reference of one latent", "ring", {"generator__norm": "virtual", "data__global_batch": 1}, ["generator.norm", "at least 2 samples"]),
    ("spread of one row", "ring", {"discriminator__minibatch_stddev": 4, "data__global_batch": 1}, ["global_batch", "no others"]),
    ("discrimination of one pack", "ring", {"discriminator__minibatch_discrimination": 4, "objective__pack": 48}, ["global_batch", "no others"]),
    ("he for pictures", "dcgan28", {"generator__init": "he"}, ["generator.init", "mlp", "leave it out"]),
    ("normal start for pictures", "dcgan28", {"discriminator__init": "normal"}, ["discriminator.init", "mlp", "leave it out"]),
    ("maxout for pictures", "dcgan28", {"discriminator__activation": "maxout"}, ["discriminator.activation", "mlp"]),
    ("published networks and 32 pixels", "dcgan32", {"generator__kind": "crippled"}, ["generator.kind", "crippled", "28", "dcgan"]),
    ("published networks and points", "ring", {"discriminator__kind": "dcgan5x5"}, ["discriminator.kind", "points", "mlp"]),
    ("published networks and upsampling", "dcgan28", {"generator__kind": "dcgan5x5", "generator__upsample": "nearest"}, ["generator.upsample", "leave it out"]),
    ("published networks and pooling", "dcgan28", {"discriminator__kind": "crippled", "discriminator__down": "avg"}, ["discriminator.down", "leave it out"]),
    ("classifier of digits and points", "ring", {"monitor__every_steps": 1, "monitor__classifier": "datasets/mnist/classifier.safetensors"},
     ["monitor.classifier", "digits"]),
    ("features of a joint pass with batch norm", "dcgan32", {"tricks__feature_matching": 0.1, "objective__d_batch": "joint"}, ["feature_matching", "depend on the mix"]),
    ("groups that do not divide", "ring", {"discriminator__minibatch_stddev": 4, "data__global_batch": 50}, ["minibatch_stddev", "50"]),
    ("packs that do not divide", "ring", {"objective__pack": 5}, ["objective.pack", "48"]),
    ("no such layer", "ring", {"tricks__feature_matching": 0.1, "tricks__feature_matching_layer": "99"}, ["feature_matching_layer", "penultimate"]),
    ("everything frozen", "ring", {"tricks__freeze_d": 9}, ["freeze_d", "trained"]),
    ("unknown order", "ring", {"objective__order": "both"}, ["objective.order", "d_first"]),
    ("negative noise", "ring", {"tricks__instance_noise": -0.1}, ["instance_noise", "at least 0"]),
    ("slope of 1", "ring", {"discriminator__slope": 1.0}, ["slope", "1"]),
    ("monitor without reals to spare", "dcgan28", {"monitor__every_steps": 5, "monitor__samples": 64}, ["data.holdout"]),
    ("monitor of an odd number", "ring", {"monitor__every_steps": 5, "monitor__samples": 65}, ["monitor.samples"]),
    ("monitor of broken packs", "ring", {"monitor__every_steps": 5, "monitor__samples": 64, "objective__pack": 3}, ["monitor.samples", "multiple of 6"]),
    ("monitor of broken groups", "ring", {"monitor__every_steps": 5, "monitor__samples": 72, "discriminator__minibatch_stddev": 16}, ["monitor.samples", "72"]),
]


class Refusals(program.ProgramTest):
    def test_each_misuse_is_refused_with_reason_and_fix(self):
        for name, network, values, words in MISUSES:
            with self.subTest(misuse=name):
                out = self.folder / "runs"
                result = program.ganymede("train", self.recipe(network, "misuse.toml", **{"run__steps": 2, **values}), "--out", out)
                self.assertEqual(result.code, 78, str(result))
                for word in words:
                    self.assertIn(word, result.err)
                self.assertFalse(out.exists() and list(out.iterdir()), "something was made")
        print(f"{len(MISUSES)} misuses refused")

    def test_classes_of_a_data_set_without_labels(self):
        shards = self.folder / "unlabelled"
        program.must(program.ganymede("data", "build", program.ROOT / "datasets" / "mnist", shards, "--split", "test", "--no-labels"))
        for kind in ("planes", "projection", "classifier"):
            result = program.ganymede("train", self.recipe("dcgan28", "labels.toml", data=shards, conditional__kind=kind), "--out", self.folder / "none")
            self.assertEqual(result.code, 78, str(result))
            self.assertIn("classes", result.err)

    def test_what_is_rarely_meant_is_said_and_done(self):
        run = program.ganymede("train", self.recipe("dcgan28", "max.toml", run__steps=1, discriminator__down="max"), "--out", self.folder / "runs")
        self.assertEqual(run.code, 0, str(run))
        self.assertIn("discriminator.down", run.err)
        run = program.ganymede("train", self.recipe("dcgan28", "uneven.toml", run__steps=1, generator__kind="crippled", generator__width=2), "--out", self.folder / "runs")
        self.assertEqual(run.code, 0, str(run))
        self.assertIn("kernels of 3", run.err)


if __name__ == "__main__":
    unittest.main()
