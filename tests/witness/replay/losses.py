"""The two players' losses as functions of D's logits. sp(x) = log(1 + e^x)."""
import torch
from torch.nn.functional import softplus

from .recipe import Unknown

# D's loss of each real, D's of each fake, G's of each fake.
SEPARATE = {
    "non_saturating": (lambda x: softplus(-x), softplus, lambda x: softplus(-x)),              # section 1
    "minimax": (lambda x: softplus(-x), softplus, lambda x: -softplus(x)),                     # section 1
    "wasserstein": (lambda x: -x, lambda x: x, lambda x: -x),                                  # section 12
    "hinge": (lambda x: torch.clamp(1 - x, min=0), lambda x: torch.clamp(1 + x, min=0), lambda x: -x),      # section 14
    "least_squares": (lambda x: (x - 1) ** 2 / 2, lambda x: x ** 2 / 2, lambda x: (x - 1) ** 2 / 2),        # section 14
}


def soft_bce(logits, targets):
    """Section 4: sp(l) - t l of each row."""
    return softplus(logits) - targets * logits


def relativistic(on_real, on_fake):
    """Section 14, RaGAN: each logit against the mean of the other kind: (D's loss, G's loss), each row by row."""
    real, fake = on_real - on_fake.mean(), on_fake - on_real.mean()
    return (softplus(-real) + softplus(fake)) / 2, (softplus(real) + softplus(-fake)) / 2


class Targets:
    """Section 4: D's targets, smoothed or noisy, then flipped; a flipped sample takes the target that the other kind would have."""

    def __init__(self, recipe, draws):
        self.get, self.draws, self.dtype = recipe.section("tricks"), draws, recipe.dtype
        self.loss = recipe.get("objective.loss")
        self.active = self.get("label_smoothing") != "off" or self.get("label_flip") > 0
        if self.active and self.loss not in ("non_saturating", "minimax"):
            raise Unknown("soft or flipped targets with another loss than cross-entropy")

    def draw(self, step, rows):
        """(of the reals, of the fakes), each [N]."""
        u, how = self.draws.target_uniforms(step, rows), self.get("label_smoothing")
        real, fake = torch.ones(rows, dtype=torch.float64), torch.zeros(rows, dtype=torch.float64)
        if how in ("one_sided", "two_sided"):
            real = real * self.get("real_target")
        if how == "two_sided":
            fake = fake + self.get("fake_target")
        if how == "noisy":
            low, high = self.get("noisy_real_low"), self.get("noisy_real_high")
            real = torch.from_numpy(low + (high - low) * u[:, 0])
            fake = torch.from_numpy(self.get("noisy_fake_high") * u[:, 1])
        flip = torch.from_numpy(u[:, 2:] < self.get("label_flip"))
        return torch.where(flip[:, 0], fake, real).to(self.dtype), torch.where(flip[:, 1], real, fake).to(self.dtype)


def of_pairs(loss, logits, slots):
    """Section 43: t = 1 where the real is in slot A: (sp(l) - t l, sp(l) - (1 - t) l); minimax: G's is minus D's."""
    t = slots.to(logits.dtype)
    of_d = soft_bce(logits, t)
    return of_d, soft_bce(logits, 1 - t) if loss == "non_saturating" else -of_d


def classification(scores, labels):
    """Section 39: -log softmax(c)_y of each row."""
    return -torch.log_softmax(scores, 1).gather(1, labels[:, None])[:, 0]
