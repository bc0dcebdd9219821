"""Section 31: D's accuracy steers its learning rate, or the two numbers of steps."""
import math

MOST_STEPS = 5


class BalanceController:
    def __init__(self, recipe):
        self.get = recipe.section("balance")
        self.mode = self.get("mode")
        self.accuracy, self.u = self.get("target"), 0.0
        self.d_steps, self.g_steps = recipe.get("objective.d_steps"), recipe.get("objective.g_steps")
        self.threshold = 0.5 if recipe.get("objective.loss") == "least_squares" else 0.0

    def saw(self, real_logits, fake_logits):
        """After a D step: a <- .98 a + .02 acc; acc: the share of reals above and of fakes below the threshold, halves of one number.
        RaGAN passes relative logits. Pairs: those with the real in slot A and those without are `real` and `fake`, half of them each."""
        right = ((real_logits > self.threshold).double().mean() + (fake_logits < self.threshold).double().mean()).item() / 2
        self.accuracy = 0.98 * self.accuracy + 0.02 * right

    def finish_iteration(self, done):
        """done: iterations so far, this one included."""
        if self.mode != "off" and done % self.get("every_steps") == 0:
            self.adjust(self.accuracy)

    def adjust(self, accuracy):
        if self.mode == "lr":        # u <- clamp(u + kappa (a* - a), -log c, log c)
            most = math.log(self.get("bound"))
            self.u = min(max(self.u + self.get("gain") * (self.get("target") - accuracy), -most), most)
        elif accuracy > self.get("high"):
            self.d_steps, self.g_steps = (self.d_steps - 1, self.g_steps) if self.d_steps > 1 else (1, min(self.g_steps + 1, MOST_STEPS))
        elif accuracy < self.get("low"):
            self.d_steps, self.g_steps = (self.d_steps, self.g_steps - 1) if self.g_steps > 1 else (min(self.d_steps + 1, MOST_STEPS), 1)

    def factor(self):
        return math.exp(self.u) if self.mode == "lr" else 1.0
