"""The witness itself is tried on traces written by a plain PyTorch loop: it agrees with those, and every mistake is found."""
import pathlib
import sys
import tempfile
import unittest

import h5py
import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cluster" / "scaling"))
import philox  # noqa: E402
import reference_nets as nets  # noqa: E402
import trace_replay  # noqa: E402
from replay.networks import initial_weights  # noqa: E402

RECIPE = """
[run]
seed = 5
precision = "{precision}"
[latent]
size = 6
[generator]
kind = "{kind}"
width = 4
depth = 2
[discriminator]
kind = "{kind}"
width = 4
depth = 2
[objective]
d_steps = {d_steps}
d_loss = "half"
[optimizer.generator]
kind = "{optimizer}"
lr = 0.01
schedule = "exponential"
decay_steps = 10
[optimizer.discriminator]
kind = "{optimizer}"
lr = 0.01
"""


def plain_networks(kind, shape, dtype):
    if kind == "mlp":
        made = nets.mlp_generator(shape[0], 6, 4, 2), nets.mlp_discriminator(shape[0], 4, 2)
    else:
        made = nets.dcgan_generator(shape[1], shape[0], 6, 4), nets.dcgan_discriminator(shape[1], shape[0], 4)
    return {which: network.to(dtype) for which, network in zip(("generator", "discriminator"), made)}


def write_trace(path, sample_shape, iterations, **settings):
    """A trace of a run that PyTorch itself does, written with other calls than the replay's (BCE, its scheduler, a zeroed gradient)."""
    text = RECIPE.format(**settings)
    recipe = trace_replay.Recipe(text)
    networks = plain_networks(settings["kind"], sample_shape, recipe.dtype)
    for index, network in enumerate(networks.values()):
        network.layers.load_state_dict(initial_weights(5, index, network), strict=False)
    averaged = {name: value.clone() for name, value in networks["generator"].layers.state_dict().items()}
    kind = torch.optim.Adam if settings["optimizer"] == "adam" else torch.optim.SGD
    extra = {"betas": (0.5, 0.999)} if settings["optimizer"] == "adam" else {}
    optimizers = {which: kind([p for p in network.parameters() if p.requires_grad], lr=0.01, **extra) for which, network in networks.items()}
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizers["generator"], 0.95 ** 0.1)
    generator, discriminator = networks.values()
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": "ganymede-trace", "version": 1, "recipe": text, "ranks": 1})

        def save(group, which, loss, values):
            for name, value in values.items():
                file[f"{group}/{name}"] = value.detach().numpy()
            file[f"{group}/loss"] = np.float64(loss.item())
            for name, parameter in networks[which].layers.named_parameters():
                if parameter.requires_grad:
                    file[f"{group}/grad/{name}"] = parameter.grad.numpy()

        def latents(purpose, step):
            return torch.from_numpy(philox.normal(5, purpose, step, 0, 8, 6)).to(recipe.dtype)

        for where, which in (("generator", generator), ("discriminator", discriminator), ("average", generator)):
            for name, value in which.layers.state_dict().items():
                file[f"initial/{where}/{name}"] = value.numpy()
        for i in range(iterations):
            for k in range(settings["d_steps"]):
                real, z = torch.rand(8, *sample_shape, dtype=recipe.dtype) * 2 - 1, latents("z_d", i * settings["d_steps"] + k)
                with torch.no_grad():
                    fake = generator(z)
                logit_real, logit_fake = discriminator(real), discriminator(fake)
                loss = (bce(logit_real, torch.ones(8, dtype=recipe.dtype)) + bce(logit_fake, torch.zeros(8, dtype=recipe.dtype))) / 2
                discriminator.zero_grad()
                loss.backward()
                save(f"steps/{i:06d}/d/{k}", "discriminator", loss, {"real": real, "z": z, "logit_real": logit_real, "logit_fake": logit_fake})
                optimizers["discriminator"].step()
            z = latents("z_g", i)
            loss = bce(discriminator(generator(z)), torch.ones(8, dtype=recipe.dtype))
            generator.zero_grad()
            loss.backward()
            save(f"steps/{i:06d}/g/0", "generator", loss, {"z": z})
            optimizers["generator"].step()
            schedule.step()
            decay = min(0.999, (2 + i) / (11 + i))
            for name, value in generator.layers.state_dict().items():
                averaged[name] = value.clone() if "running" in name or "tracked" in name else averaged[name] * decay + value * (1 - decay)
        for where, values in (("generator", generator.layers.state_dict()), ("discriminator", discriminator.layers.state_dict()), ("average", averaged)):
            for name, value in values.items():
                file[f"final/{where}/{name}"] = value.numpy()


class TraceReplay(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "trace.h5"

    def replay(self, tolerance=1e-9, **mistakes):
        return trace_replay.Replay(self.path, tolerance, **mistakes).run()

    def assert_agrees(self, result):
        self.assertTrue(result.agrees(), result.report())

    def assert_differs(self, result):
        self.assertFalse(result.agrees(), result.report())

    def test_agrees_and_each_mistake_is_found(self):
        for kind, shape, d_steps in [("dcgan", (1, 28, 28), 1), ("dcgan", (1, 32, 32), 2), ("mlp", (2,), 1)]:
            with self.subTest(kind=kind, shape=shape):
                write_trace(self.path, shape, 4, precision="float64", kind=kind, d_steps=d_steps, optimizer="adam")
                self.assert_agrees(self.replay())
                self.assert_differs(self.replay(beta1=0.9))
                self.assert_differs(self.replay(lock=False))

    def test_one_float32_iteration_with_sgd(self):
        write_trace(self.path, (1, 32, 32), 1, precision="float32", kind="dcgan", d_steps=1, optimizer="sgd")
        self.assert_agrees(self.replay(1e-4))
        self.assert_differs(self.replay(1e-4, lock=False))

    def test_one_changed_number_anywhere_is_found(self):
        write_trace(self.path, (2,), 2, precision="float64", kind="mlp", d_steps=1, optimizer="adam")
        for name in ("steps/000001/d/0/grad/0.weight", "steps/000001/g/0/z", "steps/000000/g/0/loss", "steps/000001/d/0/logit_fake",
                     "final/average/2.bias", "final/discriminator/4.weight", "initial/generator/0.weight"):
            with self.subTest(name=name):
                with h5py.File(self.path, "r+") as file:
                    before = np.asarray(file[name][()])
                    changed = before.copy()
                    changed.reshape(-1)[-1] += 1e-6
                    file[name][()] = changed
                self.assert_differs(self.replay())
                with h5py.File(self.path, "r+") as file:
                    file[name][()] = before
        self.assert_agrees(self.replay())


if __name__ == "__main__":
    torch.set_num_threads(1)      # narrow networks: a second thread costs more than it saves
    unittest.main()
