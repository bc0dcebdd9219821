"""The whole replay on traces of runs with many tricks at once, written by a plain loop with formulas of its own: what happens between
phases (orders, clipping, histories, frozen layers, the controller) is found to agree, and every mistake made on purpose is found."""
import math
import pathlib
import sys
import tempfile
import unittest

import h5py
import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import replay  # noqa: E402, F401
import philox  # noqa: E402
import reference_nets as nets  # noqa: E402
import trace_replay  # noqa: E402
from replay.networks import initial_weights  # noqa: E402

N, Z = 8, 3
COMMON = f"""
[run]
seed = 5
precision = "float64"
[latent]
size = {Z}
[generator]
kind = "mlp"
width = 4
depth = 1
[discriminator]
kind = "mlp"
width = 4
depth = 2
[optimizer.generator]
lr = 0.01
[optimizer.discriminator]
lr = 0.02
"""


def plain_mlp(inputs, outputs, depth):
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, 4), nn.LeakyReLU(0.2)]
        inputs = 4
    return nn.Sequential(*layers, nn.Linear(inputs, outputs)).double()


class Writer:
    """A loop's networks and what it writes; a subclass says what it computes."""
    optimizer = recipe = ""       # more keys of D's optimizer, further sections
    frozen = 0

    def __init__(self, path, iterations):
        self.g, self.d = plain_mlp(Z, 2, 1), plain_mlp(2, 1, 2)
        for index, network in enumerate((self.g, self.d)):
            network.load_state_dict(initial_weights(5, index, nets.Network(network)))
        for layer in [layer for layer in self.d if isinstance(layer, nn.Linear)][:self.frozen]:
            layer.requires_grad_(False)
        self.average = {name: value.clone() for name, value in self.g.state_dict().items()}
        self.averaged, self.steps = 0, {"g": 0, "d": 0}
        self.prepare()
        with h5py.File(path, "w") as self.file:
            self.file.attrs.update({"format": "ganymede-trace", "version": 1, "recipe": COMMON + self.optimizer + self.recipe, "ranks": 1})
            self.save_all("initial")
            for iteration in range(iterations):
                self.iteration(iteration, f"steps/{iteration:06d}")
            self.save_all("final")

    def prepare(self):
        pass

    def save_all(self, where):
        for name, state in (("generator", self.g.state_dict()), ("discriminator", self.d.state_dict()), ("average", self.average)):
            for key, value in state.items():
                self.file[f"{where}/{name}/{key}"] = value.numpy()

    def save(self, path, network, **values):
        for name, value in values.items():
            self.file[f"{path}/{name}"] = value.detach().numpy() if isinstance(value, torch.Tensor) else value
        for name, p in network.named_parameters():
            if p.requires_grad:
                self.file[f"{path}/grad/{name}"] = p.grad.numpy()

    def normal(self, purpose, step, elements, index=0):
        return torch.from_numpy(philox.normal(5, purpose, step, 0, N, elements, index))

    def uniform(self, purpose, step, elements, index=0):
        return torch.from_numpy(philox.uniform(5, purpose, step, 0, N, elements, index))

    def move_average(self):
        self.averaged += 1
        decay = min(0.999, (1 + self.averaged) / (10 + self.averaged))
        for name, value in self.g.state_dict().items():
            self.average[name] = self.average[name] * decay + value * (1 - decay)


class Simultaneous(Writer):
    """Both at once; noisy and flipped targets, annealed instance noise, R1, drift, histories of both, D's gradient clipped, its first
    layer frozen, its rate steered."""
    recipe = """
[objective]
order = "simultaneous"
[tricks]
instance_noise = 0.4
instance_noise_steps = 3
label_smoothing = "noisy"
noisy_real_low = 0.7
label_flip = 0.3
clip_d_norm = 0.05
freeze_d = 1
[regularizers]
r1 = 0.6
drift = 0.1
historical_averaging = 0.3
[balance]
mode = "lr"
every_steps = 2
gain = 0.5
target = 0.6
"""
    frozen = 1

    def prepare(self):
        self.trained = {"d": [p for p in self.d.parameters() if p.requires_grad], "g": list(self.g.parameters())}
        self.past = {who: [[p.detach().clone()] for p in trained] for who, trained in self.trained.items()}
        self.adam = {"d": torch.optim.Adam(self.trained["d"], lr=0.02, betas=(0.5, 0.999)), "g": torch.optim.Adam(self.trained["g"], lr=0.01, betas=(0.5, 0.999))}
        self.right, self.exponent = 0.6, 0.0

    def remember(self, who):
        """The pull to the mean of all that the weights have been, added to the gradient; its value."""
        value = 0.0
        for p, past in zip(self.trained[who], self.past[who]):
            mean = torch.stack(past).mean(0)
            p.grad += 0.6 * (p.detach() - mean)
            value += 0.3 * ((p.detach() - mean) ** 2).sum()
        return value

    def iteration(self, i, path):
        sigma = 0.4 * max(0, 1 - i / 3)
        real, z_d, z_g = torch.randn(N, 2, dtype=torch.float64), self.normal("z_d", i, Z), self.normal("z_g", i, Z)
        u = self.uniform("labels", i, 4, 2)
        t_real, t_fake = 0.7 + 0.3 * u[:, 0], torch.zeros(N, dtype=torch.float64)
        t_real, t_fake = torch.where(u[:, 2] < 0.3, t_fake, t_real), torch.where(u[:, 3] < 0.3, t_real, t_fake)
        x = (real + sigma * self.normal("noise_real", i, 2)).requires_grad_()
        logit_real = self.d(x).flatten()
        with torch.no_grad():
            fake = self.g(z_d)
        logit_fake = self.d(fake + sigma * self.normal("noise_fake", i, 2)).flatten()
        bce = nn.functional.binary_cross_entropy_with_logits
        loss = bce(logit_real, t_real) + bce(logit_fake, t_fake)
        slope, = torch.autograd.grad(logit_real.sum(), x, create_graph=True)
        r1, drift = 0.3 * (slope ** 2).sum() / N, 0.1 * (logit_real ** 2).mean()
        self.d.zero_grad()
        (loss + r1 + drift).backward()
        pulled = self.remember("d")
        self.save(f"{path}/d/0", self.d, real=real, z=z_d, loss=loss, r1=r1, drift=drift, historical_averaging=pulled, logit_real=logit_real, logit_fake=logit_fake)
        d_gradient = [p.grad.clone() for p in self.trained["d"]]
        self.right = 0.98 * self.right + 0.02 * ((logit_real > 0).double().mean() + (logit_fake < 0).double().mean()).item() / 2
        loss = bce(self.d(self.g(z_g) + sigma * self.normal("noise_fake", i, 2, 1)).flatten(), torch.ones(N, dtype=torch.float64))
        self.g.zero_grad()
        loss.backward()
        self.save(f"{path}/g/0", self.g, z=z_g, historical_averaging=self.remember("g"), loss=loss)
        for p, gradient in zip(self.trained["d"], d_gradient):
            p.grad = gradient
        nn.utils.clip_grad_norm_(self.trained["d"], 0.05)
        self.adam["d"].param_groups[0]["lr"] = 0.02 * math.exp(self.exponent)
        for who in "dg":
            self.adam[who].step()
            for p, past in zip(self.trained[who], self.past[who]):
                past.append(p.detach().clone())
        self.move_average()
        if i % 2 == 1:
            self.exponent = max(-math.log(10), min(math.log(10), self.exponent + 0.5 * (0.6 - self.right)))


class GeneratorFirst(Writer):
    """G first, against two D steps; weights clipped, a gradient penalty on every second step, rates that count G's steps."""
    optimizer = 'kind = "rmsprop"\nschedule = "exponential"\ndecay_rate = 0.5\ndecay_steps = 2\nlr_counter = "g_steps"\n'
    recipe = """
[objective]
loss = "wasserstein"
order = "g_first"
d_steps = 2
[regularizers]
weight_clip = 0.3
gradient_penalty = 0.7
gradient_penalty_every = 2
dragan = 0.4
"""

    def prepare(self):
        self.rms = torch.optim.RMSprop(self.d.parameters(), lr=0.02, alpha=0.99, eps=1e-8)
        self.adam = torch.optim.Adam(self.g.parameters(), lr=0.01, betas=(0.5, 0.999))
        self.clip()

    def clip(self):
        with torch.no_grad():
            for p in self.d.parameters():
                p.copy_(torch.where(p.abs() > 0.3, 0.3 * p.sign(), p))

    def norms(self, points):
        points = points.detach().requires_grad_()
        slope, = torch.autograd.grad(self.d(points).sum(), points, create_graph=True)
        return ((slope ** 2).sum(1) + 1e-10) ** 0.5

    def d_step(self, path):
        s = self.steps["d"]
        real, z = 1 + torch.randn(N, 2, dtype=torch.float64), self.normal("z_d", s, Z)
        fake = self.g(z).detach()
        logit_real, logit_fake = self.d(real).flatten(), self.d(fake).flatten()
        loss, terms = logit_fake.mean() - logit_real.mean(), {}
        if s % 2 == 0:
            a = self.uniform("gp_alpha", s, 1)
            terms["gradient_penalty"] = 2 * 0.7 * ((self.norms(a * real + (1 - a) * fake) - 1) ** 2).mean()
        shift = 0.5 * math.sqrt(((real - real.mean()) ** 2).mean().item()) * self.uniform("perturb", s, 2)
        terms["dragan"] = 0.4 * ((self.norms(real + self.uniform("gp_alpha", s, 1, 1) * shift) - 1) ** 2).mean()
        self.d.zero_grad()
        (loss + sum(terms.values())).backward()
        self.save(path, self.d, real=real, z=z, loss=loss, logit_real=logit_real, logit_fake=logit_fake, **terms)
        self.rms.param_groups[0]["lr"] = 0.02 * 0.5 ** (self.steps["g"] / 2)
        self.rms.step()
        self.clip()
        self.steps["d"] += 1

    def iteration(self, i, path):
        z = self.normal("z_g", i, Z)
        loss = -self.d(self.g(z)).mean()
        self.g.zero_grad()
        loss.backward()
        self.save(f"{path}/g/0", self.g, z=z, loss=loss)
        self.adam.step()
        self.steps["g"] += 1
        self.move_average()
        for k in range(2):
            self.d_step(f"{path}/d/{k}")


class TricksReplay(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "trace.h5"
        torch.manual_seed(7)

    def replay(self, **mistakes):
        return trace_replay.Replay(self.path, 1e-9, **mistakes).run()

    def check(self, writer, mistakes):
        writer(self.path, 6)
        good = self.replay()
        self.assertTrue(good.agrees(), good.report())
        for mistake in mistakes:
            with self.subTest(mistake=mistake):
                bad = self.replay(mistakes=[mistake])
                self.assertFalse(bad.agrees(), bad.report())

    def test_simultaneous(self):
        self.check(Simultaneous, ("no_half_r1", "flip_generator"))

    def test_generator_first(self):
        self.check(GeneratorFirst, ("gp_batch_norm", "wrong_alpha"))

    def test_each_key_of_a_recipe_matters(self):
        """Without a trick that the run had, the replay no longer agrees."""
        Simultaneous(self.path, 6)
        with h5py.File(self.path) as file:
            text = str(file.attrs["recipe"])
        for line, other in (("instance_noise_steps = 3", ""), ("noisy_real_low = 0.7", ""), ("label_flip = 0.3", "label_flip = 0.31"), ("clip_d_norm = 0.05", ""),
                            ("drift = 0.1", ""), ("historical_averaging = 0.3", ""), ('order = "simultaneous"', ""), ("gain = 0.5", "gain = 0.51"),
                            ("freeze_d = 1", "")):
            with self.subTest(line=line):
                with h5py.File(self.path, "r+") as file:
                    self.assertIn(line, text)
                    file.attrs["recipe"] = text.replace(line, other)
                try:
                    self.assertFalse(self.replay().agrees())
                except trace_replay.Unknown:
                    pass                       # the trace has no gradient of a layer that was frozen


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
