"""Every random number of a run from (seed, purpose, step, place, element): formats.md, Random numbers.

`step` is the number of optimizer steps that the drawing network has done. Elements of pictures count in the order of a sample on
disk, (H,W,C). All rows of the global batch are drawn, in order of place.
"""
import numpy as np
import philox
import torch

# Passes of samples through D; dropout's index is 8 * layer + one of these.
D_REAL, D_FAKE, PENALTY, G_FAKE, G_REAL = range(5)


def to_memory_order(values, shape):
    """[N, H*W*C] in disk order as [N,C,H,W]; points and vectors stay. shape: of one sample, (C,H,W) or (F,)."""
    if len(shape) == 1:
        return values.reshape(len(values), *shape)
    channels, height, width = shape
    return np.ascontiguousarray(values.reshape(len(values), height, width, channels).transpose(0, 3, 1, 2))


def of_rows(whole, rows):
    """Those of a micro-batch, or all."""
    return whole if rows is None else whole[rows]


class Draws:
    def __init__(self, recipe):
        self.recipe, self.seed, self.dtype = recipe, recipe.seed, recipe.dtype

    def _tensor(self, values):
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.dtype)

    def latents(self, purpose, step, rows):
        """z [N,Z]: N(0,1), or 2u - 1 in float64, rounded once (section 11)."""
        size = self.recipe.get("latent.size")
        if self.recipe.get("latent.prior") == "uniform":
            z = 2 * philox.uniform(self.seed, purpose, step, 0, rows, size) - 1
        else:
            z = philox.normal(self.seed, purpose, step, 0, rows, size)
        if self.recipe.get("latent.normalize"):
            z = z / np.sqrt((z ** 2).mean(1, keepdims=True) + 1e-8)
        return self._tensor(z)

    def classes(self, how, index, step, rows, counts):
        """int64 [N]: uniform over the K classes, or with the data set's shares. index 0: of D's fakes, 1: of G's fakes."""
        word = philox.words(self.seed, "labels", step, 0, rows, 1, index)[:, 0]
        if how == "uniform":
            drawn = (word * np.uint64(len(counts))) >> np.uint64(32)
        else:
            place = (word * np.uint64(sum(counts))) >> np.uint64(32)
            drawn = np.searchsorted(np.cumsum(counts), place.astype(np.int64), side="right")   # the first whose cumulated count exceeds it
        return torch.from_numpy(drawn.astype(np.int64))

    def target_uniforms(self, step, rows):
        """[N,4], float64: noisy real target, noisy fake target, flip of the real, flip of the fake."""
        return philox.uniform(self.seed, "labels", step, 0, rows, 4, 2)

    def slots(self, index, step, rows):
        """Section 43: bits t, exactly half of them ones: t_g = 1 where pi(g) < N/2. index 3: D phase, 4: G phase."""
        order = philox.permutation(self.seed, rows, 0, step, philox.last_word("labels", index))
        return torch.tensor([1 if place < rows // 2 else 0 for place in order], dtype=torch.int64)

    def noise(self, purpose, index, step, rows, shape):
        """Section 3: N(0,1) for each element."""
        return self._tensor(to_memory_order(philox.normal(self.seed, purpose, step, 0, rows, int(np.prod(shape)), index), shape))

    def alpha(self, index, step, rows):
        """One U(0,1) a row. index 0: gradient penalty, 1: DRAGAN."""
        return self._tensor(philox.uniform(self.seed, "gp_alpha", step, 0, rows, 1, index)[:, 0])

    def perturbation(self, step, rows, shape):
        """DRAGAN's u: U(0,1) for each element."""
        return self._tensor(to_memory_order(philox.uniform(self.seed, "perturb", step, 0, rows, int(np.prod(shape))), shape))

    def kept(self, layer, source, step, rows, shape, p, by_channel):
        """Section 10: 1 where an element, or a channel of a picture, is kept (uniform >= p), else 0."""
        drawn = shape[:1] if by_channel and len(shape) == 3 else shape
        u = philox.uniform(self.seed, "dropout", step, 0, rows, int(np.prod(drawn)), 8 * layer + source)
        kept = self._tensor(to_memory_order((u >= p).astype(np.float64), drawn))
        return kept.reshape(rows, *drawn, *[1] * (len(shape) - len(drawn)))
