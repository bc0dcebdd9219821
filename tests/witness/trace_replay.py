"""Replays a run's trace.h5 in PyTorch and compares: losses, logits, gradients, last weights, moving average and buffers.

    trace_replay.py TRACE.h5 [--tolerance 1e-9] [--beta1 B] [--no-lock]

Of the trace it takes only the recipe's text, the initial weights, and each step's real, labels and z; all else is what it
compares with. z and the initial weights are computed a second time by an independent Philox (philox.py) from the seed and the step.
Differences are |d| / (|p| + 1e-3). --beta1 and --no-lock are mistakes made on purpose: with either the replay must fail.
Exit code: 0 everything within the tolerance, 1 something is not, 2 this recipe is not one that the script knows.
"""
import argparse
import copy
import pathlib
import sys
import tomllib

import h5py
import numpy as np
import torch
from torch.nn.functional import softplus

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "cluster" / "scaling")]
import philox  # noqa: E402
import reference_nets as nets  # noqa: E402

DRAW_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-6}   # another libm's log and cos; the integers below them are exact


# D's loss of each real, of each fake, and G's of each fake.
LOSSES = {
    "non_saturating": (lambda x: softplus(-x), softplus, lambda x: softplus(-x)),
    "minimax": (lambda x: softplus(-x), softplus, lambda x: -softplus(x)),
    "wasserstein": (lambda x: -x, lambda x: x, lambda x: -x),
    "hinge": (lambda x: torch.clamp(1 - x, min=0), lambda x: torch.clamp(1 + x, min=0), lambda x: -x),
    "least_squares": (lambda x: (x - 1) ** 2 / 2, lambda x: x ** 2 / 2, lambda x: (x - 1) ** 2 / 2),
}


class Unknown(Exception):
    """The recipe asks for something that this witness does not model."""


class Recipe:
    """The recipe's text with the defaults of the formats."""

    def __init__(self, text):
        self.tables = tomllib.loads(text)
        self.precision = self.get("run.precision", "float32")
        if self.precision not in ("float32", "float64"):
            raise Unknown(f"run.precision = {self.precision!r}")
        self.dtype = getattr(torch, self.precision)
        for key, known in {"objective.loss": tuple(LOSSES), "objective.d_loss": ("sum", "half"), "objective.order": ("d_first",),
                           "objective.d_batch": ("separate", "joint"), "objective.accumulate": (1,), "replay.capacity": (0,),
                           "latent.prior": ("normal", "uniform")}.items():
            if self.get(key, known[0]) not in known:
                raise Unknown(f"{key} = {self.get(key)!r}")

    def get(self, dotted, default=None):
        value = self.tables
        for key in dotted.split("."):
            if not isinstance(value, dict) or key not in value:
                return default
            value = value[key]
        return value

    def networks(self, sample_shape):
        latent = self.get("latent.size", 100)
        made = []
        for which in ("generator", "discriminator"):
            kind, width, depth = (self.get(f"{which}.{key}", default) for key, default in (("kind", "dcgan"), ("width", 64), ("depth", 2)))
            if kind == "mlp":
                features = sample_shape[0]
                made.append(nets.mlp_generator(features, latent, width, depth) if which == "generator" else nets.mlp_discriminator(features, width, depth))
            elif kind == "dcgan":
                channels, size = sample_shape[0], sample_shape[1]
                made.append(nets.dcgan_generator(size, channels, latent, width) if which == "generator" else nets.dcgan_discriminator(size, channels, width))
            else:
                raise Unknown(f"{which}.kind = {kind!r}")
        return [network.to(self.dtype) for network in made]

    def latents(self, purpose, step, rows):
        seed, size = self.get("run.seed", 0), self.get("latent.size", 100)
        if self.get("latent.prior", "normal") == "uniform":
            z = 2 * philox.uniform(seed, purpose, step, 0, rows, size) - 1
        else:
            z = philox.normal(seed, purpose, step, 0, rows, size)
        return torch.from_numpy(z).to(self.dtype)


def initial_weights(seed, index, network):
    """The weights that the formats prescribe, float64, by name: purpose init, place = the parameter's number in parameters()."""
    made, fan_in, has_convolution = {}, 1, any(isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)) for m in network.modules())
    for place, (name, parameter) in enumerate(network.layers.named_parameters()):
        module, is_weight = network.layers.get_submodule(name.rsplit(".", 1)[0]), name.endswith("weight")
        if not has_convolution:                       # an MLP: PyTorch's default for Linear
            fan_in = parameter.shape[1] if is_weight else fan_in
            values = philox.uniform(seed, "init", 0, place, 1, parameter.numel(), index)
            low, high = -1 / np.sqrt(fan_in), 1 / np.sqrt(fan_in)
            values = low + (high - low) * values
        elif is_weight:
            mean = 1.0 if isinstance(module, torch.nn.BatchNorm2d) else 0.0
            values = mean + 0.02 * philox.normal(seed, "init", 0, place, 1, parameter.numel(), index)
        else:
            values = np.zeros(parameter.numel())
        made[name] = torch.from_numpy(values.reshape(parameter.shape))
    return made


class Optimizer:
    """torch.optim's Adam, RMSprop or SGD over the trained parameters, with the recipe's schedule."""

    def __init__(self, recipe, which, network, beta1):
        def get(key, default):
            return recipe.get(f"optimizer.{which}.{key}", default)
        self.lr, self.schedule = get("lr", 2e-4), get("schedule", "constant")
        self.decay_steps, self.decay_rate, self.steps = get("decay_steps", 1000), get("decay_rate", 0.95), 0
        self.start, self.end, self.end_lr, self.warmup = get("schedule_start", 0), get("schedule_steps", 0), get("end_lr", 0.0), get("warmup_steps", 0)
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if get("kind", "adam") == "adam":
            betas = (get("beta1", 0.5) if beta1 is None else beta1, get("beta2", 0.999))
            self.torch = torch.optim.Adam(trained, lr=self.lr, betas=betas, eps=get("eps", 1e-8))
        elif get("kind", "adam") == "rmsprop":
            self.torch = torch.optim.RMSprop(trained, lr=self.lr, alpha=get("alpha", 0.99), eps=get("eps", 1e-8))
        elif get("kind", "adam") == "sgd":
            self.torch = torch.optim.SGD(trained, lr=self.lr)
        else:
            raise Unknown(f"optimizer.{which}.kind = {get('kind', 'adam')!r}")
        if self.schedule not in ("constant", "exponential", "linear", "cosine"):
            raise Unknown(f"optimizer.{which}.schedule = {self.schedule!r}")

    def learning_rate(self):
        lr = self.lr
        if self.schedule == "exponential":
            lr *= self.decay_rate ** (self.steps / self.decay_steps)
        elif self.schedule != "constant":
            done = min(max((self.steps - self.start) / (self.end - self.start), 0), 1)
            lr = self.end_lr + (lr - self.end_lr) * (1 - done if self.schedule == "linear" else (1 + np.cos(np.pi * done)) / 2)
        return lr * min(1, (self.steps + 1) / self.warmup) if self.warmup else lr

    def step(self):
        for group in self.torch.param_groups:
            group["lr"] = self.learning_rate()
        self.torch.step()
        self.steps += 1


class Comparison:
    """Collects the largest difference of each kind of thing."""

    def __init__(self, tolerance, file):
        self.tolerance, self.file, self.worst = tolerance, file, {}
        self.single = file["steps/000000/d/0/z"].dtype == np.float32

    def check(self, kind, path, mine, tolerance=None):
        if path not in self.file:
            raise Unknown(f"the trace holds no {path}")
        theirs = np.asarray(self.file[path][()])
        mine = mine.detach().numpy() if isinstance(mine, torch.Tensor) else np.asarray(mine)
        if mine.shape != theirs.shape:
            difference = float("inf")
        elif mine.size == 0:
            difference = 0.0
        else:
            gap = np.abs(mine.astype(np.float64) - theirs.astype(np.float64)) / self.scale(kind, np.abs(theirs.astype(np.float64)))
            difference = float("inf") if np.isnan(gap).any() else float(gap.max())
        worst, where, _ = self.worst.get(kind, (-1.0, "", 0))
        if difference > worst:
            self.worst[kind] = (difference, path, self.tolerance if tolerance is None else tolerance)

    def scale(self, kind, magnitude):
        """What a gap is measured against: each value itself, plus 1e-3. In float32 an entry of a gradient near zero is a sum of large terms
        that cancel, with their rounding errors (in PyTorch too, up to 6e-4 off the float64 truth), so there it is the largest of the tensor."""
        if self.single and kind.startswith(("gradients", "logits")):
            return max(magnitude.max(), 1e-3)
        return magnitude + 1e-3

    def agrees(self):
        return all(difference <= tolerance for difference, _, tolerance in self.worst.values())

    def report(self):
        """One line a kind."""
        return "\n".join(f"{'ok  ' if difference <= tolerance else 'FAIL'} {kind:26s} largest difference {difference:.3e} (at most {tolerance:.0e}) at {path}"
                         for kind, (difference, path, tolerance) in self.worst.items())


class Replay:
    def __init__(self, path, tolerance, beta1=None, lock=True):
        self.file = h5py.File(path, "r")
        if self.file.attrs["format"] not in ("ganymede-trace", b"ganymede-trace"):
            raise Unknown(f"format {self.file.attrs['format']!r}")
        text = self.file.attrs["recipe"]
        self.recipe = Recipe(text.decode() if isinstance(text, bytes) else text)
        self.lock, self.result = lock, Comparison(tolerance, self.file)
        sample_shape = self.file["steps/000000/d/0/real"].shape[1:]
        self.generator, self.discriminator = self.recipe.networks(sample_shape)
        for which, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            network.layers.load_state_dict({name: torch.from_numpy(np.asarray(data[()])) for name, data in self.file[f"initial/{which}"].items()})
            for name, values in initial_weights(self.recipe.get("run.seed", 0), ("generator", "discriminator").index(which), network).items():
                self.result.check("initial weights from seed", f"initial/{which}/{name}", values, DRAW_TOLERANCE[self.recipe.dtype])
        self.average = copy.deepcopy(self.generator)
        self.generator_optimizer = Optimizer(self.recipe, "generator", self.generator, beta1)
        self.discriminator_optimizer = Optimizer(self.recipe, "discriminator", self.discriminator, beta1)
        self.average_updates = 0
        self.trained = {network: [p for p in network.parameters() if p.requires_grad] for network in (self.generator, self.discriminator)}

    def latents(self, path, purpose, step, rows):
        mine = self.recipe.latents(purpose, step, rows)
        self.result.check("z from seed and step", f"{path}/z", mine, DRAW_TOLERANCE[self.recipe.dtype])
        return torch.from_numpy(np.asarray(self.file[f"{path}/z"][()]))

    def compare_gradients(self, path, which, network):
        for name, parameter in network.layers.named_parameters():
            if parameter.requires_grad:
                self.result.check(f"gradients of {which}", f"{path}/grad/{name}", parameter.grad)

    def discriminator_phase(self, path, keep_graph):
        real = torch.from_numpy(np.asarray(self.file[f"{path}/real"][()]))
        z = self.latents(path, "z_d", self.discriminator_optimizer.steps, len(real))
        scale = 0.5 if self.recipe.get("objective.d_loss", "sum") == "half" else 1.0
        fake = self.generator(z)
        seen = fake.detach() if self.lock else fake
        if self.recipe.get("objective.d_batch", "separate") == "joint":
            on_real, on_fake = self.discriminator(torch.cat([real, seen])).split(len(real))
        else:
            on_real, on_fake = self.discriminator(real), self.discriminator(seen)
        of_real, of_fake, _ = LOSSES[self.recipe.get("objective.loss", "non_saturating")]
        loss = scale * (of_real(on_real).mean() + of_fake(on_fake).mean())
        self.discriminator_optimizer.torch.zero_grad()
        loss.backward(retain_graph=not self.lock)
        self.result.check("losses", f"{path}/loss", loss)
        self.result.check("logits", f"{path}/logit_real", on_real)
        self.result.check("logits", f"{path}/logit_fake", on_fake)
        self.compare_gradients(path, "discriminator", self.discriminator)
        self.discriminator_optimizer.step()
        return z, (fake if keep_graph else None)

    def generator_phase(self, path, last_z, last_fake):
        reuse = last_z is not None
        rows = len(self.file[f"{path}/z"])
        if reuse:
            self.result.check("z of the D step", f"{path}/z", last_z, 0.0)
            z = last_z
        else:
            z = self.latents(path, "z_g", self.generator_optimizer.steps, rows)
        if self.lock:                                   # without the lock D's own backward has left gradients in G
            self.generator_optimizer.torch.zero_grad()
            for parameter in self.trained[self.discriminator]:
                parameter.requires_grad_(False)
        logits = self.discriminator(self.generator(z) if last_fake is None else last_fake)
        loss = LOSSES[self.recipe.get("objective.loss", "non_saturating")][2](logits).mean()
        loss.backward()
        for parameter in self.trained[self.discriminator]:
            parameter.requires_grad_(True)
        self.result.check("losses", f"{path}/loss", loss)
        self.compare_gradients(path, "generator", self.generator)
        self.generator_optimizer.step()
        if not self.lock:
            self.generator_optimizer.torch.zero_grad()
        self.update_average()

    def update_average(self):
        self.average_updates += 1
        t = self.average_updates
        decay = min(self.recipe.get("average.decay", 0.999), (1 + t) / (10 + t))
        with torch.no_grad():
            for mine, theirs in zip(self.average.parameters(), self.generator.parameters()):
                mine.mul_(decay).add_(theirs, alpha=1 - decay)
            for mine, theirs in zip(self.average.buffers(), self.generator.buffers()):
                mine.copy_(theirs)

    def run(self, iterations=None):
        traced = sorted(self.file["steps"])
        reuse = self.recipe.get("tricks.reuse_fakes", False)
        for iteration in traced[:iterations]:
            d_steps, g_steps = (self.recipe.get(f"objective.{key}", 1) for key in ("d_steps", "g_steps"))
            for k in range(d_steps):
                z, fake = self.discriminator_phase(f"steps/{iteration}/d/{k}", keep_graph=reuse and k + 1 == d_steps)
            for k in range(g_steps):
                self.generator_phase(f"steps/{iteration}/g/{k}", z if reuse else None, fake if k == 0 else None)
        if iterations is None or iterations >= len(traced):
            self.compare_last()
        return self.result

    def compare_last(self):
        for which, network in (("generator", self.generator), ("discriminator", self.discriminator), ("average", self.average)):
            for name, value in network.layers.state_dict().items():
                counted = name.endswith("num_batches_tracked")
                buffer = counted or "running_" in name
                self.result.check(f"buffers of {which}" if buffer else f"weights of {which}", f"final/{which}/{name}", value, 0.0 if counted else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=pathlib.Path)
    parser.add_argument("--iterations", type=int, help="replay only the first n (last weights are then not compared)")
    parser.add_argument("--tolerance", type=float, help="default 1e-9 in float64, 1e-4 in float32")
    parser.add_argument("--beta1", type=float, help="use this instead of the recipe's: a mistake on purpose")
    parser.add_argument("--no-lock", action="store_true", help="let D's backward reach G and stay in its gradient: a mistake on purpose")
    options = parser.parse_args()
    torch.set_num_threads(1)      # narrow networks: a second thread costs more than it saves
    try:
        with h5py.File(options.trace) as file:
            double = file["steps/000000/d/0/z"].dtype == np.float64
        tolerance = options.tolerance or (1e-9 if double else 1e-4)
        replay = Replay(options.trace, tolerance, options.beta1, lock=not options.no_lock)
        result = replay.run(options.iterations)
        print(result.report())
        return 0 if result.agrees() else 1
    except Unknown as error:
        print(f"this witness cannot replay {options.trace}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
