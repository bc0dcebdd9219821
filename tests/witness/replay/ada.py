"""Section 45, ADA: the probability of augmentations follows the share of reals that D takes for real."""

INTERVAL = 4      # D steps between updates


class AdaController:
    def __init__(self, recipe):
        self.get, self.active = recipe.section("augment"), recipe.get("augment.ada")
        self.p, self.signs, self.count, self.steps = 0.0, 0.0, 0, 0

    def saw(self, real_logits, samples):
        """After a D step with `samples` reals: every 4 steps r = mean sign l over their reals,
        p <- clamp(p + sign(r - target) 4 N / (1000 ada_kimg), 0, 1)."""
        if not self.active:
            return
        self.signs, self.count, self.steps = self.signs + real_logits.sign().sum().item(), self.count + len(real_logits), self.steps + 1
        if self.steps % INTERVAL == 0:
            gap = self.signs / self.count - self.get("ada_target")
            self.p += ((gap > 0) - (gap < 0)) * INTERVAL * samples / (1000 * self.get("ada_kimg"))
            self.p, self.signs, self.count = min(max(self.p, 0.0), 1.0), 0.0, 0
