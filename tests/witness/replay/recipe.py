"""The recipe of a trace: TOML text, the defaults of the formats, and a refusal of every key that this witness does not model."""
import tomllib

import torch

OFF = (0, False, "", "off", "none")            # a key that is unknown here may stand in the recipe if it is switched off

# Keys of these say where, how long and how fast, not what is computed.
SILENT_SECTIONS = ("run", "data", "log", "checkpoint", "evaluate", "parallel", "comm", "monitor")

_NETWORK = {
    "kind": "dcgan", "width": 64, "depth": 2, "activation": None, "slope": 0.2, "norm": None, "equalized_lr": False, "init": "default",
    "bias_before_norm": True, "norm_momentum": 0.1,
}
_OPTIMIZER = {
    "kind": "adam", "lr": 2e-4, "beta1": 0.5, "beta2": 0.999, "alpha": 0.99, "eps": 1e-8, "schedule": "constant", "decay_steps": 1000,
    "decay_rate": 0.95, "schedule_start": 0, "schedule_steps": 0, "end_lr": 0.0, "warmup_steps": 0, "lr_counter": "own",
}
DEFAULTS = {
    "run": {"seed": 0, "precision": "float32", "steps": 0},
    "data": {"path": "", "streams": 0, "global_batch": 0},
    "latent": {"size": 100, "prior": "normal", "normalize": False},
    "generator": {**_NETWORK, "upsample": "transposed"},
    "discriminator": {
        **_NETWORK, "maxout_pieces": 5, "down": "stride", "head": "flatten", "dropout": 0.0, "dropout_channel": False, "minibatch_stddev": 0,
        "minibatch_stddev_maps": 1, "minibatch_discrimination": 0, "minibatch_discrimination_size": 5, "minibatch_discrimination_plain": False, "spectral_norm": False,
        "spectral_norm_iterations": 1},
    "conditional": {"kind": "none", "fake_labels": "real", "generator_labels": "uniform", "classifier_weight": 1.0, "classifier_fakes": True},
    "objective": {"loss": "non_saturating", "d_loss": "sum", "d_steps": 1, "g_steps": 1, "accumulate": 1, "order": "d_first",
                  "d_batch": "separate", "pack": 1, "pack_slots": False},
    "regularizers": {
        "gradient_penalty": 0.0, "gradient_penalty_sides": "two", "gradient_penalty_target": 1.0, "gradient_penalty_every": 1, "r1": 0.0, "r1_every": 1,
        "dragan": 0.0, "drift": 0.0, "weight_clip": 0.0, "historical_averaging": 0.0, "historical_window": 0.0, "historical_which": "both"},
    "tricks": {
        "reuse_fakes": False, "label_smoothing": "off", "real_target": 0.9, "fake_target": 0.1, "noisy_real_low": 0.8, "noisy_real_high": 1.0,
        "noisy_fake_high": 0.0, "label_flip": 0.0, "instance_noise": 0.0, "instance_noise_steps": 0, "clip_d_norm": 0.0, "clip_d_value": 0.0,
        "feature_matching": 0.0, "feature_matching_kind": "l1", "feature_matching_layer": "penultimate", "feature_matching_pool": False,
        "feature_matching_reals": "last", "freeze_d": 0},
    "augment": {"policy": "", "ada": False, "ada_target": 0.6, "ada_kimg": 500.0},
    "balance": {"mode": "off", "target": 0.75, "gain": 0.05, "bound": 10.0, "low": 0.6, "high": 0.9, "every_steps": 50},
    "replay": {"capacity": 0},
    "optimizer": {"generator": _OPTIMIZER, "discriminator": _OPTIMIZER},
    "average": {"decay": 0.999, "half_life_kimg": 0.0, "half_life_ramp": 0.0, "start": 0},
}
CHOICES = {
    "run.precision": ("float32", "float64"),
    "latent.prior": ("normal", "uniform"),
    "generator.init": ("default", "he", "normal"), "discriminator.init": ("default", "he", "normal"),
    "generator.kind": ("dcgan", "mlp", "dcgan5x5", "crippled"), "discriminator.kind": ("dcgan", "mlp", "dcgan5x5", "crippled"),
    "conditional.kind": ("none", "planes", "projection", "classifier"),
    "conditional.fake_labels": ("real", "uniform", "empirical"),
    "conditional.generator_labels": ("uniform", "empirical"),
    "objective.loss": ("non_saturating", "minimax", "wasserstein", "hinge", "least_squares", "relativistic"),
    "objective.d_loss": ("sum", "half"),
    "objective.order": ("d_first", "g_first", "simultaneous"),
    "objective.d_batch": ("separate", "joint", "paired"),
    "regularizers.gradient_penalty_sides": ("two", "one"),
    "regularizers.historical_which": ("both", "d", "g"),
    "tricks.label_smoothing": ("off", "one_sided", "two_sided", "noisy"),
    "tricks.feature_matching_kind": ("elementwise", "l1", "l2", "l2_sum"),
    "tricks.feature_matching_reals": ("last", "fresh"),
    "balance.mode": ("off", "lr", "steps"),
    "replay.capacity": (0,),
    **{f"optimizer.{which}.{key}": known for which in ("generator", "discriminator") for key, known in {
        "kind": ("adam", "rmsprop", "sgd"), "schedule": ("constant", "exponential", "linear", "cosine", "step"), "lr_counter": ("own", "g_steps")}.items()},
}


class Unknown(Exception):
    """The recipe or the trace asks for something that this witness does not model."""


class Recipe:
    def __init__(self, text):
        self.tables = tomllib.loads(text)
        self._refuse_unknown(self.tables, DEFAULTS, "")
        for key, known in CHOICES.items():
            if self.get(key) not in known:
                raise Unknown(f"{key} = {self.get(key)!r}")
        self.dtype = getattr(torch, self.get("run.precision"))
        self.seed = self.get("run.seed")
        self.is_mlp = self.get("discriminator.kind") == "mlp"
        self.is_relativistic = self.get("objective.loss") == "relativistic"
        self.is_paired = self.get("objective.d_batch") == "paired"
        self.is_joint = self.get("objective.d_batch") == "joint"
        self.is_conditional = self.get("conditional.kind") != "none"
        # The G phase has reals of its own (gan-systems.md 0.10) for these alone.
        self.g_reals_are_fresh = self.is_relativistic or self.is_paired or (
            self.get("tricks.feature_matching") > 0 and self.get("tricks.feature_matching_reals") == "fresh")
        self._refuse_unclear()

    def _refuse_unknown(self, given, known, where):
        for key, value in given.items():
            if not where and key in SILENT_SECTIONS:
                continue
            if key not in known:
                left = [value] if not isinstance(value, dict) else [v for v in value.values() if not isinstance(v, dict)]
                if any(v not in OFF for v in left):
                    # An augmentation's multipliers and the settings of what is off say nothing.
                    if where != "augment.":
                        raise Unknown(f"{where}{key} = {value!r}")
            elif isinstance(value, dict):
                # Settings of a buffer that is off.
                if not where and key == "replay":
                    continue
                self._refuse_unknown(value, known[key], f"{where}{key}.")

    def _refuse_unclear(self):
        """Combinations that the program refuses, or to which the specification gives no one meaning."""
        packed = self.get("objective.pack") > 1
        for bad, why in (
                (self.is_paired and self.get("objective.loss") not in ("non_saturating", "minimax"), "pairs with another loss than section 43's"),
                (self.is_paired and (packed or self.get("tricks.feature_matching") > 0), "pairs with packing or feature matching"),
                (self.is_paired and self.get("regularizers.gradient_penalty") > 0, "a gradient penalty between a pair and what"),
                (packed and self.get("conditional.kind") in ("projection", "classifier"), "the class of a pack"),
                (self.get("augment.ada") and self.get("augment.policy"), "which augmentation comes first"),
                (self.get("tricks.reuse_fakes") and self.get("objective.order") == "g_first", "fakes of a D step that is still to come"),
                (self.get("objective.order") == "simultaneous" and (self.get("objective.d_steps"), self.get("objective.g_steps")) != (1, 1),
                 "simultaneous updates of several steps")):
            if bad:
                raise Unknown(why)

    def get(self, dotted, default=None):
        """The recipe's value, else the default of the formats, else `default`."""
        for tables in (self.tables, DEFAULTS):
            value = tables
            for key in dotted.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                return value
        return default

    def section(self, name):
        """Short names for the keys of one section: section("tricks")("label_flip")."""
        return lambda key: self.get(f"{name}.{key}")
