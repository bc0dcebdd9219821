"""From a sample to what D judges: augmentation, instance noise, class planes, packing; or a pair of samples."""
import philox
import torch

from . import draws as sources
from .ada import AdaController
from .draws import of_rows

# Whose samples: purpose and index of the instance noise, offset of the augmentation's index (sections 3 and 44).
_NOISE = {sources.D_REAL: ("noise_real", 0), sources.G_REAL: ("noise_real", 1),
          sources.D_FAKE: ("noise_fake", 0), sources.G_FAKE: ("noise_fake", 1)}
_AUGMENT = {sources.D_REAL: 0, sources.D_FAKE: 16, sources.G_FAKE: 32, sources.G_REAL: 48}


def with_planes(x, labels, classes):
    """Section 15: K channels more, that of the class all ones, the others zero; vectors: a one-hot class."""
    one_hot = torch.nn.functional.one_hot(labels, classes).to(x.dtype)
    return torch.cat([x, one_hot.reshape(*one_hot.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])], 1)


def packed(x, together):
    """Section 21b: m consecutive samples on the channels: [N,C,...] to [N/m,mC,...]."""
    return x if together == 1 else x.reshape(len(x) // together, together * x.shape[1], *x.shape[2:])


def paired(real, fake, slots):
    """Section 43: the real in slot A where t = 1, else in slot B."""
    first = slots.reshape(-1, *[1] * (real.dim() - 1)).bool()
    return torch.cat([torch.where(first, real, fake), torch.where(first, fake, real)], 1)


class Inputs:
    def __init__(self, recipe, draws, classes):
        self.get, self.draws, self.classes, self.ada = recipe.get, draws, classes, AdaController(recipe)

    def sigma(self, iteration):
        """Section 3: sigma_0, or sigma_0 max(0, 1 - iteration / T)."""
        first, steps = self.get("tricks.instance_noise"), self.get("tricks.instance_noise_steps")
        return first * max(0.0, 1 - iteration / steps) if steps else first

    def _augmented(self, x, rows, total, source, step):
        """Sections 44 and 45: draw number j of a place has index offset + j."""
        import augment_reference        # needed by few recipes

        def uniforms(elements, j):
            return of_rows(philox.uniform(self.get("run.seed"), "augment", step, 0, total, elements, _AUGMENT[source] + j), rows)
        if not self.ada.active:
            return augment_reference.diff_augment(x, self.get("augment.policy"), uniforms)
        multipliers = {name: self.get(f"augment.{name}", 0.0) for name in augment_reference.TRANSFORMS}
        return augment_reference.ada(x, self.ada.p, multipliers, uniforms)

    def sample(self, x, rows, total, labels, source, step, iteration):
        """x [B,...], the samples at the places `rows` (None: all) of a global batch of `total`, as D sees them one by one."""
        if self.get("augment.policy") or self.ada.active:
            x = self._augmented(x, rows, total, source, step)
        if self.get("tricks.instance_noise") > 0:
            purpose, index = _NOISE[source]
            x = x + self.sigma(iteration) * of_rows(self.draws.noise(purpose, index, step, total, x.shape[1:]), rows)
        return with_planes(x, labels, self.classes) if self.get("conditional.kind") == "planes" else x

    def batch(self, *arguments):
        """`sample`, packed."""
        return packed(self.sample(*arguments), self.get("objective.pack"))
