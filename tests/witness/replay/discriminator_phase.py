"""One D step up to its gradient: 0.7 (1), with the losses of 1, 4, 12, 14, 39 and 43 and the penalties of 13 and 14."""
import torch

from . import draws as sources
from . import losses, penalties
from .draws import of_rows
from .inputs import paired


class DiscriminatorPhase:
    """Gradients are left in D's parameters. After run(): loss (adversarial alone), terms (by key, weighted as they enter the total),
    logit_real and logit_fake [B] in order of place (pairs: logit_real holds the pairs'), fakes with their graph, one a micro-batch."""

    def __init__(self, game, real, labels, z, fake_labels, step, iteration, micros):
        self.game, self.get, self.recipe = game, game.get, game.recipe
        self.real, self.labels, self.z, self.fake_labels = real, labels, z, fake_labels
        self.step, self.iteration, self.micros, self.total_rows = step, iteration, micros, len(real)
        self.scale = 0.5 if self.get("objective.d_loss") == "half" else 1.0
        self.terms, self.loss, self.fakes = {}, 0.0, []
        self.slots = game.draws.slots(3, step, len(real)) if self.recipe.is_paired else None
        self.soft = game.targets.draw(step, len(real)) if game.targets.active else None
        pack = self.get("objective.pack")
        self.logit_real, self.logit_fake = (torch.zeros(len(real) // pack, dtype=real.dtype) for _ in range(2))

    # ---- what both halves use ----

    def due(self, key):
        """A penalty's weight in this step: 0, or the weight times its interval."""
        every = self.get(f"regularizers.{key}_every", 1)
        return self.get(f"regularizers.{key}") * every if self.step % every == 0 else 0.0

    def add_term(self, key, value):
        self.terms[key] = self.terms.get(key, 0.0) + value

    def share(self, rows):
        return 1.0 if rows is None else len(rows) / self.total_rows

    def keep(self, kept, logits, rows):
        place = self.game.places(rows)
        kept[slice(None) if place is None else place] = logits.detach()

    def judge(self, x, source, rows, labels):
        samples = self.total_rows if rows is None else len(rows)
        return self.game.judge(x, [self.game.range(source, samples, self.total_rows, rows)], self.step, labels)[:2]

    def real_input(self, rows, as_batch=True):
        make = self.game.inputs.batch if as_batch else self.game.inputs.sample
        x = make(of_rows(self.real, rows), rows, self.total_rows, self.labels_of(self.labels, rows), sources.D_REAL, self.step, self.iteration)
        return x.detach().requires_grad_(as_batch and self.due("r1") > 0)

    def fake_input(self, rows, as_batch=True):
        fake = self.game.fakes(self.z, self.fake_labels, sources.D_FAKE, self.step, rows)
        self.fakes.append(fake)
        seen = fake.detach() if self.game.lock else fake
        make = self.game.inputs.batch if as_batch else self.game.inputs.sample
        return make(seen, rows, self.total_rows, self.labels_of(self.fake_labels, rows), sources.D_FAKE, self.step, self.iteration)

    @staticmethod
    def labels_of(labels, rows):
        return None if labels is None else of_rows(labels, rows)

    # ---- losses ----

    def adversarial(self, on_real, on_fake, rows):
        """Mean over the micro-batch of D's loss, not yet scaled. Either may be None: then only the other half."""
        loss = self.get("objective.loss")
        if self.recipe.is_relativistic:
            return losses.relativistic(on_real, on_fake)[0].mean()
        of_real, of_fake, _ = losses.SEPARATE[loss]
        value = 0.0
        for logits, plain, which in ((on_real, of_real, 0), (on_fake, of_fake, 1)):
            if logits is not None:
                value = value + (plain(logits) if self.soft is None else losses.soft_bce(logits, self.packed_targets(which, rows))).mean()
        return value

    def packed_targets(self, which, rows):
        """One a row of D: that of the row's own number."""
        targets = self.soft[which]
        if self.get("objective.pack") > 1:
            targets = targets[:self.total_rows // self.get("objective.pack")]
        return of_rows(targets, self.game.places(rows))

    def add_adversarial(self, value, rows):
        self.loss = self.loss + self.scale * self.share(rows) * value

    def add_classifier(self, scores, labels, rows):
        if scores is not None:
            value = losses.classification(scores, labels).mean()
            self.add_term("classifier", self.get("conditional.classifier_weight") * self.share(rows) * value)

    def add_terms_of_reals(self, on_real, x, rows):
        """R1 from the reals' own pass, and the drift of their logits (section 13)."""
        if self.due("r1") > 0:
            gradient = torch.autograd.grad(on_real.sum(), x, create_graph=True)[0]
            half = 1.0 if "no_half_r1" in self.game.mistakes else 0.5
            self.add_term("r1", half * self.due("r1") * self.share(rows) * penalties.r1(gradient))
        if self.get("regularizers.drift") > 0:
            self.add_term("drift", self.get("regularizers.drift") * self.share(rows) * on_real.square().mean())

    def add_penalties(self, real, fake, rows):
        """Passes of their own, in this order. The class at a point of a penalty is the real's."""
        place = self.game.places(rows)
        total, labels = self.total_rows // self.get("objective.pack"), self.labels_of(self.labels, rows)

        def score(x):
            return self.judge(x, sources.PENALTY, rows, labels)[0]
        if self.due("gradient_penalty") > 0:
            alpha = self.game.draws.alpha(0, self.step, total)
            alpha = of_rows(alpha.roll(1) if "wrong_alpha" in self.game.mistakes else alpha, place)
            value = penalties.gradient_penalty(score, real, fake, alpha, self.get("regularizers.gradient_penalty_target"),
                                               self.get("regularizers.gradient_penalty_sides"), "gp_batch_norm" in self.game.mistakes)
            self.add_term("gradient_penalty", self.due("gradient_penalty") * self.share(rows) * value)
        if self.due("dragan") > 0:
            u = of_rows(self.game.draws.perturbation(self.step, total, real.shape[1:]), place)
            alpha = of_rows(self.game.draws.alpha(1, self.step, total), place)
            self.add_term("dragan", self.due("dragan") * self.share(rows) * penalties.dragan(score, real, u, alpha))

    # ---- passes ----

    def see_reals(self, rows):
        labels, x = self.labels_of(self.labels, rows), self.real_input(rows)
        on_real, scores = self.judge(x, sources.D_REAL, rows, labels)
        self.add_terms_of_reals(on_real, x, rows)
        self.add_classifier(scores, labels, rows)
        self.keep(self.logit_real, on_real, rows)
        return x, on_real

    def see_fakes(self, rows):
        labels, x = self.labels_of(self.fake_labels, rows), self.fake_input(rows)
        on_fake, scores = self.judge(x, sources.D_FAKE, rows, labels)
        if self.get("conditional.classifier_fakes"):
            self.add_classifier(scores, labels, rows)
        self.keep(self.logit_fake, on_fake, rows)
        return x, on_fake

    def joint(self, rows):
        """One pass over the reals, then the fakes."""
        real, fake = self.real_input(rows), self.fake_input(rows)
        samples = self.total_rows if rows is None else len(rows)
        of_both = (self.labels, self.fake_labels)
        both = None if any(labels is None for labels in of_both) else torch.cat([self.labels_of(labels, rows) for labels in of_both])
        ranges = [self.game.range(source, samples, self.total_rows, rows) for source in (sources.D_REAL, sources.D_FAKE)]
        logits, scores, _ = self.game.judge(torch.cat([real, fake]), ranges, self.step, both)
        on_real, on_fake = logits.split([len(real), len(fake)])
        self.add_terms_of_reals(on_real, real, rows)
        if scores is not None:
            self.add_classifier(scores[:len(real)], self.labels_of(self.labels, rows), rows)
            if self.get("conditional.classifier_fakes"):
                self.add_classifier(scores[len(real):], self.labels_of(self.fake_labels, rows), rows)
        self.keep(self.logit_real, on_real, rows)
        self.keep(self.logit_fake, on_fake, rows)
        self.add_adversarial(self.adversarial(on_real, on_fake, rows), rows)
        self.add_penalties(real, fake, rows)

    def pairs(self, rows):
        """Section 43: one pass over pairs; penalties take the pair as one input."""
        slots = of_rows(self.slots, rows)
        x = paired(self.real_input(rows, as_batch=False), self.fake_input(rows, as_batch=False), slots)
        x = x.detach().requires_grad_(self.due("r1") > 0) if self.game.lock else x
        logits, _ = self.judge(x, sources.D_REAL, rows, self.labels_of(self.labels, rows))
        self.add_terms_of_reals(logits, x, rows)
        self.keep(self.logit_real, logits, rows)
        self.add_adversarial(losses.of_pairs(self.get("objective.loss"), logits, slots)[0].mean(), rows)
        self.add_penalties(x, None, rows)

    def run(self):
        """Several micro-batches: reals of all, then fakes of all, where the halves separate."""
        if self.recipe.is_paired or self.recipe.is_joint:
            for rows in self.micros:
                self.pairs(rows) if self.recipe.is_paired else self.joint(rows)
        elif self.recipe.is_relativistic:
            for rows in self.micros:
                (real, on_real), (fake, on_fake) = self.see_reals(rows), self.see_fakes(rows)
                self.add_adversarial(self.adversarial(on_real, on_fake, rows), rows)
                self.add_penalties(real, fake, rows)
        else:
            inputs = []
            for rows in self.micros:
                x, on_real = self.see_reals(rows)
                inputs.append(x)
                self.add_adversarial(self.adversarial(on_real, None, rows), rows)
            for rows, real in zip(self.micros, inputs):
                fake, on_fake = self.see_fakes(rows)
                self.add_adversarial(self.adversarial(None, on_fake, rows), rows)
                self.add_penalties(real, fake, rows)
        for parameter in self.game.discriminator.trained():
            parameter.grad = None
        (self.loss + sum(self.terms.values())).backward(retain_graph=not self.game.lock)
        self.loss, self.terms = self.loss.detach(), {key: value.detach() for key, value in self.terms.items()}
        return self

    def accuracy_logits(self):
        """What the balance controller counts (section 31): reals above and fakes below a threshold."""
        if self.recipe.is_paired:
            return self.logit_real[self.slots == 1], self.logit_real[self.slots == 0]
        if self.recipe.is_relativistic:
            return self.logit_real - self.logit_fake.mean(), self.logit_fake - self.logit_real.mean()
        return self.logit_real, self.logit_fake


