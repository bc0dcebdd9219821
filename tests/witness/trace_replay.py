"""Replays a run's trace.h5 in PyTorch and compares: losses and their terms, logits, gradients, last weights, moving average and buffers.

    trace_replay.py TRACE.h5 [--tolerance 1e-9] [--beta1 B] [--no-lock] [--mistake NAME]...

Of the trace it takes only the recipe's text, the initial weights, and each step's reals, labels and z; all else is what it compares
with. z and the initial weights are computed a second time by an independent Philox (philox.py) from the seed and the step, as are all
other draws. How many samples each class has stands in the data set's manifest.
Differences are |d| / (|p| + 1e-3). --beta1, --no-lock and --mistake are mistakes made on purpose: the replay must then fail.
Exit code: 0 everything within the tolerance, 1 something is not, 2 this recipe is not one that the script knows.
"""
import argparse
import copy
import json
import pathlib
import sys

import h5py
import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from replay import balance, discriminator_phase, generator_phase, history, networks, optimizers  # noqa: E402
from replay.comparison import Comparison  # noqa: E402
from replay.game import MISTAKES, Game, micro_batches  # noqa: E402
from replay.passes import Runner  # noqa: E402
from replay.recipe import Recipe, Unknown  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRAW_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}   # another libm's log and cos; the integers below them are exact
# Every term of a loss that has a dataset of its own in the trace where it is on.
TERMS = {"d": ("gradient_penalty", "r1", "dragan", "drift", "classifier"), "g": ("feature_matching", "classifier")}


def class_counts(recipe):
    """Samples of each class in the data set, or None where it has none."""
    path = pathlib.Path(recipe.get("data.path"))
    for folder in (path, ROOT / path):
        if (folder / "manifest.json").is_file():
            manifest = json.loads((folder / "manifest.json").read_text())
            return manifest["counts"] or (manifest["classes"] and [1] * len(manifest["classes"]))
    if recipe.is_conditional:
        raise Unknown(f"there is no manifest.json in {path}, and without it nobody knows the classes")
    return None


class Player:
    """A network with its optimizer, its history, and what it is called."""

    def __init__(self, recipe, which, network, beta1):
        self.which, self.layers, self.runner = which, network.layers, Runner(network)
        self.optimizer = optimizers.Optimizer(recipe, which, self.runner.trained(), beta1)
        self.history = None

    def start_history(self, recipe):
        weight = recipe.get("regularizers.historical_averaging")
        if weight > 0 and recipe.get("regularizers.historical_which") in ("both", self.which[0]):
            self.history = history.HistoricalAverage(self.runner.trained(), weight, recipe.get("regularizers.historical_window"))


class Replay:
    def __init__(self, path, tolerance, beta1=None, lock=True, mistakes=()):
        self.file = h5py.File(path, "r")
        if self.file.attrs["format"] not in ("ganymede-trace", b"ganymede-trace"):
            raise Unknown(f"format {self.file.attrs['format']!r}")
        text = self.file.attrs["recipe"]
        self.recipe = recipe = Recipe(text.decode() if isinstance(text, bytes) else text)
        self.get, self.result = recipe.get, Comparison(tolerance, self.file)
        counts = class_counts(recipe)
        self.generator, self.discriminator = (
            self.player(which, index, counts, beta1) for index, which in enumerate(("generator", "discriminator")))
        self.average, self.average_updates = copy.deepcopy(self.generator.layers), 0
        self.clip_weights()
        for player in (self.generator, self.discriminator):
            player.start_history(recipe)
        self.game = Game(recipe, self.generator.runner, self.discriminator.runner, counts, lock, mistakes)
        self.game.set_references(self.read("steps/000000/d/0/real"), self.read("steps/000000/d/0/labels", optional=True))
        self.balance = balance.BalanceController(recipe)
        self.drawn = 0                       # reals that the streams have given so far
        self.last = None                     # the last D phase

    # ---- reading ----

    def read(self, path, optional=False):
        if path not in self.file:
            if optional:
                return None
            raise Unknown(f"the trace holds no {path}")
        values = np.asarray(self.file[path][()])
        return torch.from_numpy(values).long() if path.endswith("labels") else torch.from_numpy(values)

    def player(self, which, index, counts, beta1):
        shape = self.file["steps/000000/d/0/real"].shape[1:]
        network = networks.build(self.recipe, which, shape, len(counts) if counts else 0)
        clip = self.get("regularizers.weight_clip") if which == "discriminator" else 0

        def clipped(values):                 # weights may be written before or after the first clipping
            return np.clip(values, -clip, clip) if clip else values
        first = networks.initial_weights(self.recipe.seed, index, network, self.recipe.get(f"{('generator', 'discriminator')[index]}.init"))
        for name, values in {**first, **networks.initial_singular_vectors(self.recipe.seed, index, network, first)}.items():
            change = clipped if name in first else None
            self.result.check("initial weights from seed", f"initial/{which}/{name}", clipped(values.numpy()) if change else values,
                              DRAW_TOLERANCE[self.recipe.dtype], change)
        network.layers.load_state_dict({name: self.read(f"initial/{which}/{name}") for name in network.layers.state_dict()})
        if which == "discriminator":
            networks.freeze(network.layers, self.get("tricks.freeze_d"))
        return Player(self.recipe, which, network, beta1)

    def micros(self, rows):
        """Micro-batches of the batch that the streams give next."""
        streams = self.get("data.streams") or min(rows, 64)
        return micro_batches(self.get("objective.accumulate"), self.drawn, rows, streams)

    def latents(self, path, purpose, step, rows):
        mine = self.game.draws.latents(purpose, step, rows)
        self.result.check("z from seed and step", f"{path}/z", mine, DRAW_TOLERANCE[self.recipe.dtype])
        return self.read(f"{path}/z")

    # ---- comparing ----

    def compare_phase(self, path, phase, player):
        self.result.check("losses", f"{path}/loss", phase.loss.double())
        for key in (*TERMS[player.which[0]], "historical_averaging"):
            if key in phase.terms:
                self.result.check("terms of losses", f"{path}/{key}", torch.as_tensor(phase.terms[key]).double())
            elif f"{path}/{key}" in self.file:         # an interval's other steps
                self.result.check("terms of losses", f"{path}/{key}", np.float64(0))
        for name, parameter in player.layers.named_parameters():
            if parameter.requires_grad:
                gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                self.result.check(f"gradients of {player.which}", f"{path}/grad/{name}", gradient)

    def compare_last(self):
        for which, layers in (("generator", self.generator.layers), ("discriminator", self.discriminator.layers), ("average", self.average)):
            weights = {name for name, _ in layers.named_parameters()}
            for name, value in layers.state_dict().items():
                counted = name.endswith("num_batches_tracked")
                kind = "weights" if name in weights else "buffers"
                self.result.check(f"{kind} of {which}", f"final/{which}/{name}", value, 0.0 if counted else None)

    # ---- one phase: gradients, then the update ----

    def discriminator_gradient(self, path, iteration):
        real, labels, step = self.read(f"{path}/real"), self.read(f"{path}/labels", optional=True), self.discriminator.optimizer.steps
        z, micros = self.latents(path, "z_d", step, len(real)), self.micros(len(real))
        self.drawn += len(real)
        self.last = phase = discriminator_phase.DiscriminatorPhase(
            self.game, real, labels, z, self.game.fake_labels(labels, step), step, iteration, micros).run()
        if self.discriminator.history:
            phase.terms["historical_averaging"] = self.discriminator.history.add_gradient()
        self.compare_phase(path, phase, self.discriminator)
        self.result.check("logits", f"{path}/logit_real", phase.logit_real)
        if not self.recipe.is_paired:
            self.result.check("logits", f"{path}/logit_fake", phase.logit_fake)
        self.balance.saw(*phase.accuracy_logits())
        self.game.inputs.ada.saw(phase.logit_real, len(real))

    def discriminator_update(self):
        trained = self.discriminator.runner.trained()
        optimizers.clip_gradient(trained, self.get("tricks.clip_d_norm"), self.get("tricks.clip_d_value"))
        self.discriminator.optimizer.step(self.generator.optimizer.steps, self.balance.factor())
        self.clip_weights()
        if self.discriminator.history:
            self.discriminator.history.update()

    def clip_weights(self):
        """Section 12: once before the first D step, and after each."""
        if self.get("regularizers.weight_clip") > 0:
            optimizers.clip_weights(self.discriminator.runner.parameters(), self.get("regularizers.weight_clip"))

    def generator_gradient(self, path, iteration, is_first):
        step, reuse = self.generator.optimizer.steps, self.get("tricks.reuse_fakes")
        rows = len(self.last.z) if self.last else len(self.file[f"{path}/z"])
        if reuse:
            z, labels = self.last.z, self.last.fake_labels
            self.result.check("z of the D step", f"{path}/z", z, 0.0)
        else:
            z, labels = self.latents(path, "z_g", step, rows), self.game.generator_labels(step, rows)
        # Micro-batches are those of the phase's own reals, else of D's last.
        real, real_labels, micros = (self.last.real, self.last.labels, self.last.micros) if self.last else (None, None, self.micros(rows))
        if self.recipe.g_reals_are_fresh:
            real, real_labels, micros = self.read(f"{path}/real"), self.read(f"{path}/labels", optional=True), self.micros(rows)
            self.drawn += rows
        if real is None and self.get("tricks.feature_matching") > 0:
            raise Unknown("feature matching with D's last reals before the first D step")
        fakes = self.last.fakes if reuse and is_first else None
        phase = generator_phase.GeneratorPhase(self.game, z, labels, fakes, real, real_labels, step, iteration, micros).run()
        if self.generator.history:
            phase.terms["historical_averaging"] = self.generator.history.add_gradient()
        self.compare_phase(path, phase, self.generator)

    def generator_update(self):
        self.generator.optimizer.step(self.generator.optimizer.steps)
        if self.generator.history:
            self.generator.history.update()
        if not self.game.lock:
            self.generator.optimizer.torch.zero_grad()
        self.update_average()

    def update_average(self):
        """Section 27: beta or a half-life in images, but at the t-th update never more than (1 + t) / (10 + t); buffers are copied."""
        self.average_updates += 1
        t = self.average_updates
        decay, batch = self.get("average.decay"), len(self.last.z) if self.last else self.get("data.global_batch")
        if self.get("average.half_life_kimg"):
            ramp = self.get("average.half_life_ramp") or float("inf")
            decay = 0.5 ** (batch / min(1000 * self.get("average.half_life_kimg"), ramp * batch * t))
        decay = 0 if t <= self.get("average.start") else min(decay, (1 + t) / (10 + t))
        with torch.no_grad():
            for mine, theirs in zip(self.average.parameters(), self.generator.layers.parameters()):
                mine.mul_(decay).add_(theirs, alpha=1 - decay)
            for mine, theirs in zip(self.average.buffers(), self.generator.layers.buffers()):
                mine.copy_(theirs)

    # ---- 0.7: the order of one iteration ----

    def discriminator_steps(self, path, iteration):
        for k in range(self.balance.d_steps):
            self.discriminator_gradient(f"{path}/d/{k}", iteration)
            self.discriminator_update()

    def generator_steps(self, path, iteration):
        for k in range(self.balance.g_steps):
            self.generator_gradient(f"{path}/g/{k}", iteration, is_first=k == 0)
            self.generator_update()

    def iterate(self, path, iteration):
        order = self.get("objective.order")
        if order == "simultaneous":          # both gradients at the old state, then both updates
            self.discriminator_gradient(f"{path}/d/0", iteration)
            self.generator_gradient(f"{path}/g/0", iteration, is_first=True)
            self.discriminator_update()
            self.generator_update()
        else:
            steps = (self.discriminator_steps, self.generator_steps)
            for one in steps if order == "d_first" else reversed(steps):
                one(path, iteration)
        self.balance.finish_iteration(iteration + 1)

    def run(self, iterations=None):
        traced = sorted(self.file["steps"])
        for iteration in traced[:iterations]:
            self.iterate(f"steps/{iteration}", int(iteration))
        if iterations is None or iterations >= len(traced):
            self.compare_last()
        return self.result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=pathlib.Path)
    parser.add_argument("--iterations", type=int, help="replay only the first n (last weights are then not compared)")
    parser.add_argument("--tolerance", type=float, help="default 1e-9 in float64, 1e-4 in float32")
    parser.add_argument("--beta1", type=float, help="use this instead of the recipe's: a mistake on purpose")
    parser.add_argument("--no-lock", action="store_true", help="let D's backward reach G and stay in its gradient: a mistake on purpose")
    parser.add_argument("--mistake", action="append", default=[], choices=sorted(MISTAKES),
                        help="; ".join(f"{name}: {what}" for name, what in MISTAKES.items()))
    options = parser.parse_args()
    torch.set_num_threads(1)      # narrow networks: a second thread costs more than it saves
    try:
        with h5py.File(options.trace) as file:
            double = file["steps/000000/d/0/z"].dtype == np.float64
        tolerance = options.tolerance or (1e-9 if double else 1e-4)
        replay = Replay(options.trace, tolerance, options.beta1, lock=not options.no_lock, mistakes=options.mistake)
        result = replay.run(options.iterations)
        print(result.report())
        return 0 if result.agrees() else 1
    except Unknown as error:
        print(f"this witness cannot replay {options.trace}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
