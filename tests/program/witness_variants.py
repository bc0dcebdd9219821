"""What the outside witness replays, beside the plain runs: each is a name and the keys of its recipe that are not program.recipe_text's.

Four iterations of 48 samples with the narrow networks of program.NETWORKS. Every key that changes what is computed stands in one of them.
"""

LOSSES = ("non_saturating", "minimax", "wasserstein", "hinge", "least_squares", "relativistic")
HOLDS = {
    "none": {},
    "gradient_penalty": {"regularizers__gradient_penalty": 10.0},
    "r1": {"regularizers__r1": 2.0},
    "spectral_norm": {"discriminator__spectral_norm": True},
}


# The relativistic loss does not see a shift of D's outputs: the gradient of D's last bias is rounding alone, which Adam divides by its own size
# unless eps is larger.
COARSE = {"optimizer__generator__eps": 1e-5, "optimizer__discriminator__eps": 1e-5}
LOSSES_AND_HOLDS = {f"{loss}+{hold}": {"objective__loss": loss, **keys, **(COARSE if loss == "relativistic" else {})}
                    for loss in LOSSES for hold, keys in HOLDS.items()}
RMSPROP = {"optimizer__generator__kind": "rmsprop", "optimizer__discriminator__kind": "rmsprop"}

OBJECTIVE = {
    "half": {"objective__d_loss": "half", "objective__d_steps": 2},
    "reuse": {"tricks__reuse_fakes": True, "objective__d_steps": 2, "objective__g_steps": 2},
    "joint": {"objective__d_batch": "joint"},
    "uniform": {"latent__prior": "uniform", "average__decay": 0.5},
    "normalized": {"latent__normalize": True, "average__half_life_kimg": 0.05, "average__half_life_ramp": 0.6, "average__start": 1},
    "two-g-steps": {"objective__g_steps": 2},
    "rmsprop": {"objective__loss": "wasserstein", "optimizer__discriminator__schedule": "linear", "objective__d_steps": 2, **RMSPROP},
    "cosine": {"objective__loss": "hinge", "optimizer__generator__schedule": "cosine", "optimizer__generator__schedule_start": 1,
               "optimizer__generator__end_lr": 1e-5},
    "step-down": {"optimizer__discriminator__schedule": "step", "optimizer__discriminator__schedule_start": 2, "optimizer__discriminator__end_lr": 1e-3},
    "warm-up": {"objective__loss": "least_squares", "objective__d_batch": "joint", "optimizer__discriminator__warmup_steps": 3},
    "g-counter": {"optimizer__discriminator__lr_counter": "g_steps", "objective__d_steps": 3},
    "g-first": {"objective__order": "g_first", "objective__d_steps": 2},
    "simultaneous": {"objective__order": "simultaneous"},
    "simultaneous-reuse": {"objective__order": "simultaneous", "tricks__reuse_fakes": True},
    "micro-batches": {"objective__accumulate": 3, "data__global_batch": 50, "data__streams": 7},
    "micro-joint": {"objective__accumulate": 2, "objective__d_batch": "joint", "objective__g_steps": 2},
}

# Each trick alone.
TRICKS = {
    "one-sided": {"tricks__label_smoothing": "one_sided"},
    "two-sided": {"tricks__label_smoothing": "two_sided", "objective__loss": "minimax"},
    "noisy": {"tricks__label_smoothing": "noisy", "tricks__noisy_fake_high": 0.2},
    "flip": {"tricks__label_flip": 0.3, "tricks__label_smoothing": "two_sided"},
    "noise": {"tricks__instance_noise": 0.2, "regularizers__r1": 1.0},
    "noise-annealed": {"tricks__instance_noise": 0.2, "tricks__instance_noise_steps": 3, "objective__d_steps": 2},
    "clip-norm": {"tricks__clip_d_norm": 0.05},
    "clip-value": {"tricks__clip_d_value": 0.01},
    "weight-clip": {"regularizers__weight_clip": 0.02, "objective__loss": "wasserstein", **RMSPROP},
    "features": {"tricks__feature_matching": 0.1},
    "features-elementwise": {"tricks__feature_matching": 0.1, "tricks__feature_matching_kind": "elementwise", "tricks__feature_matching_layer": "output"},
    "features-fresh": {"tricks__feature_matching": 0.1, "tricks__feature_matching_kind": "l2", "tricks__feature_matching_reals": "fresh"},
    "features-sum": {"tricks__feature_matching": 0.1, "tricks__feature_matching_kind": "l2_sum", "tricks__feature_matching_layer": "2",
                     "tricks__instance_noise": 0.1, "discriminator__dropout": 0.2},
    "historical": {"regularizers__historical_averaging": 0.1},
    "historical-window": {"regularizers__historical_averaging": 0.1, "regularizers__historical_window": 0.5, "regularizers__historical_which": "d"},
    "frozen": {"tricks__freeze_d": 1},
    "one-sided-penalty": {"regularizers__gradient_penalty": 1.0, "regularizers__gradient_penalty_sides": "one", "regularizers__gradient_penalty_target": 0.1,
                          "regularizers__gradient_penalty_every": 2},
    "lazy-r1": {"regularizers__r1": 1.0, "regularizers__r1_every": 3},
    "joint-r1": {"regularizers__r1": 1.0, "objective__d_batch": "joint"},
    "dragan": {"regularizers__dragan": 2.0},
    "drift": {"regularizers__drift": 0.1, "objective__loss": "wasserstein"},
    "all-penalties": {"regularizers__gradient_penalty": 1.0, "regularizers__r1": 1.0, "regularizers__dragan": 1.0, "regularizers__drift": 0.01},
    "balance-lr": {"balance__mode": "lr", "balance__every_steps": 1, "balance__gain": 0.5},
    "balance-relativistic": {"balance__mode": "lr", "balance__every_steps": 2, "balance__gain": 0.5, "objective__loss": "relativistic", **COARSE},
    "balance-steps": {"balance__mode": "steps", "balance__every_steps": 1, "balance__low": 0.1, "balance__high": 0.2, "objective__d_steps": 3},
    "dropout": {"discriminator__dropout": 0.3, "regularizers__gradient_penalty": 1.0},
    "dropout-joint": {"discriminator__dropout": 0.3, "objective__d_batch": "joint"},
    "stddev": {"discriminator__minibatch_stddev": 4},
    "stddev-all": {"discriminator__minibatch_stddev": 1, "discriminator__minibatch_stddev_maps": 2, "regularizers__r1": 1.0},
    "discrimination": {"discriminator__minibatch_discrimination": 4, "discriminator__minibatch_discrimination_size": 3},
    "discrimination-plain": {"discriminator__minibatch_discrimination": 4, "discriminator__minibatch_discrimination_plain": True},
    "pack": {"objective__pack": 2, "regularizers__r1": 1.0},
    "pack-slots": {"objective__pack": 2, "objective__pack_slots": True, "generator__norm": "batch"},
    "pack-3": {"objective__pack": 3, "discriminator__minibatch_stddev": 4, "regularizers__gradient_penalty": 1.0},
    "paired": {"objective__d_batch": "paired"},
    "paired-r1": {"objective__d_batch": "paired", "regularizers__r1": 1.0, "tricks__instance_noise": 0.1},
    "micro-relativistic": {"objective__accumulate": 2, "objective__loss": "relativistic", **COARSE},
    "micro-features": {"objective__accumulate": 2, "tricks__feature_matching": 0.1},
    "equalized": {"generator__equalized_lr": True, "discriminator__equalized_lr": True},
    "activations": {"generator__activation": "elu", "discriminator__activation": "relu"},
    "he": {"generator__init": "he", "discriminator__init": "he", "generator__activation": "relu", "discriminator__activation": "relu"},
    "slopes": {"generator__activation": "leaky_relu", "generator__slope": 0.1, "discriminator__slope": 0.3},
    "virtual": {"generator__norm": "virtual", "discriminator__norm": "virtual", "regularizers__gradient_penalty": 1.0},
    "pixel-norm": {"generator__norm": "pixel", "generator__activation": "leaky_relu"},   # behind ReLU a dead pixel has a slope of 1e4
    "spectral-iterations": {"discriminator__spectral_norm": True, "discriminator__spectral_norm_iterations": 3},
    "spectral-steps": {"discriminator__spectral_norm": True, "objective__d_steps": 2, "regularizers__gradient_penalty": 1.0},
    "replacement": {"data__sampling": "replacement", "objective__loss": "relativistic", **COARSE},
    "planes": {"conditional__kind": "planes", "conditional__fake_labels": "uniform", "regularizers__gradient_penalty": 1.0},
    "planes-pack": {"conditional__kind": "planes", "objective__pack": 2},
    "planes-paired": {"conditional__kind": "planes", "objective__d_batch": "paired"},
    "projection": {"conditional__kind": "projection", "conditional__fake_labels": "empirical", "conditional__generator_labels": "empirical"},
    "projection-spectral": {"conditional__kind": "projection", "discriminator__spectral_norm": True, "objective__loss": "hinge"},
    "projection-joint": {"conditional__kind": "projection", "objective__d_batch": "joint", "regularizers__r1": 1.0},
    "classifier": {"conditional__kind": "classifier", "conditional__classifier_weight": 0.5},
    "classifier-reals": {"conditional__kind": "classifier", "conditional__classifier_fakes": False, "objective__d_batch": "joint"},
    "classifier-features": {"conditional__kind": "classifier", "tricks__feature_matching": 0.1, "tricks__reuse_fakes": True},
    "balanced-classes": {"conditional__kind": "planes", "data__class_balanced": True, "data__sampling": "replacement"},
}

# What only pictures have.
PICTURES = {
    "nearest": {"generator__upsample": "nearest"},
    "bilinear": {"generator__upsample": "bilinear"},
    "average-pool": {"discriminator__down": "avg", "discriminator__head": "gap"},
    "max-pool": {"discriminator__down": "max", "discriminator__head": "gsp"},
    "dropout-channel": {"discriminator__dropout": 0.3, "discriminator__dropout_channel": True, "discriminator__down": "avg"},
    "features-pooled": {"tricks__feature_matching": 0.1, "tricks__feature_matching_pool": True, "tricks__feature_matching_layer": "3"},
    "conditional-norm": {"generator__norm": "conditional", "conditional__kind": "projection"},
    "color": {"augment__policy": "color"},
    "ada": {"augment__ada": True, "augment__ada_kimg": 0.5, "augment__ada_target": -0.9, "augment__x_flip": 1.0, "augment__rotation": 1.0,
            "augment__brightness": 1.0, "objective__d_steps": 3},
    "augmented": {"augment__policy": "color,translation,cutout", "regularizers__r1": 1.0, "objective__loss": "relativistic", **COARSE},
}

# What only points have: PacGAN's networks among them (Lin et al. 2018), with their packs and their one draw of z for both players.
NORMAL = {"generator__init": "normal", "discriminator__init": "normal"}
POINTS = {
    "maxout": {"discriminator__activation": "maxout", "discriminator__maxout_pieces": 3, **NORMAL},
    "maxout-penalties": {"discriminator__activation": "maxout", "regularizers__gradient_penalty": 1.0, "regularizers__r1": 1.0},
    "maxout-norm": {"discriminator__activation": "maxout", "discriminator__norm": "batch", "discriminator__bias_before_norm": False},
    "pacgan": {"generator__norm": "batch", "generator__activation": "relu", "generator__bias_before_norm": False, "generator__norm_momentum": 0.05,
               "generator__depth": 4, "discriminator__activation": "maxout", "discriminator__depth": 3, "latent__size": 2, "objective__pack": 2,
               "objective__pack_slots": True, "objective__order": "simultaneous", "tricks__reuse_fakes": True, **NORMAL},
}

# The published networks for stacked digits, of 28 pixels.
CRIPPLED = {"generator__kind": "crippled", "discriminator__kind": "crippled", "discriminator__slope": 0.3, "generator__width": 2, "discriminator__width": 2}
STACKED = {
    "dcgan5x5": {"generator__kind": "dcgan5x5", "discriminator__kind": "dcgan5x5", "generator__width": 2, "discriminator__width": 2},
    "crippled": CRIPPLED,
    "crippled-pack": {**CRIPPLED, "objective__pack": 2, "objective__pack_slots": True, "tricks__reuse_fakes": True, "generator__norm_momentum": 0.3,
                      "discriminator__norm_momentum": 0.2},
    "crippled-spectral": {**CRIPPLED, "generator__norm": "none", "discriminator__norm": "none", "discriminator__spectral_norm": True,
                          "discriminator__dropout": 0.2, "regularizers__gradient_penalty": 1.0},
    "crippled-equalized": {**CRIPPLED, "generator__equalized_lr": True, "discriminator__equalized_lr": True, "generator__bias_before_norm": False,
                           "discriminator__bias_before_norm": False},
}

# Batch norm in D: what passes through it, and when, moves its buffers. No gradient penalty, which batch norm would couple.
WITH_BATCH_NORM = {
    **{name: TRICKS[name] for name in ("features", "features-fresh", "dragan", "joint-r1", "micro-relativistic", "micro-features", "classifier", "pack", "paired")},
    "planes-plain": {"conditional__kind": "planes", "conditional__fake_labels": "uniform"},
    "relativistic": {"objective__loss": "relativistic", **COARSE, "objective__g_steps": 2},
}

# Pictures have channels and pixels, whose order matters to draws, planes, packs and statistics.
ON_PICTURES = {name: TRICKS[name] for name in (
    "noise", "features", "features-sum", "historical", "frozen", "all-penalties", "lazy-r1", "dropout", "dropout-joint", "stddev", "stddev-all", "discrimination",
    "pack-3", "pack-slots", "paired-r1", "equalized", "activations", "virtual", "pixel-norm", "planes", "planes-pack", "planes-paired", "projection", "projection-spectral",
    "classifier", "balanced-classes")}

# Statistics that lie on two ranks or more.
OVER_RANKS = {
    "relativistic": {"objective__loss": "relativistic", **COARSE},
    **{name: TRICKS[name] for name in ("features", "stddev", "stddev-all", "discrimination", "pack-3", "pack-slots", "paired", "dragan", "virtual", "dropout", "flip", "historical",
                                       "balance-lr", "planes", "micro-relativistic")},
}

# What trace_replay.py does wrong on purpose, and a run in which it must show.
MISTAKES = {
    "gp_batch_norm": HOLDS["gradient_penalty"],
    "wrong_alpha": HOLDS["gradient_penalty"],
    "no_half_r1": HOLDS["r1"],
    "flip_generator": TRICKS["flip"],
}
