"""One G step up to its gradient: 0.7 (2), with the losses of 1, 12, 14, 39 and 43 and feature matching (6). D is locked."""
import contextlib

import torch

from . import draws as sources
from . import losses
from .draws import of_rows
from .features import feature_matching, flat
from .inputs import paired


@contextlib.contextmanager
def locked(parameters, lock):
    """No gradients for these, though they flow through."""
    trained = [p for p in parameters if p.requires_grad] if lock else []
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


class GeneratorPhase:
    """Gradients are left in G's parameters. real, real_labels: None where no term needs reals. fakes: D's own with their graph, one a
    micro-batch, where they are used again; else None."""

    def __init__(self, game, z, labels, fakes, real, real_labels, step, iteration, micros):
        self.game, self.get, self.recipe = game, game.get, game.recipe
        self.z, self.labels, self.fakes, self.real, self.real_labels = z, labels, fakes, real, real_labels
        self.step, self.iteration, self.micros, self.total_rows = step, iteration, micros, len(z)
        self.loss, self.terms = 0.0, {}
        self.matches = self.get("tricks.feature_matching") > 0
        layer = self.get("tricks.feature_matching_layer")
        self.layer = int(layer) if str(layer).isdigit() else layer
        self.slots = game.draws.slots(4, step, len(z)) if self.recipe.is_paired else None

    def _labels(self, labels, rows):
        return None if labels is None else of_rows(labels, rows)

    def _input(self, x, labels, source, rows, as_batch=True):
        make = self.game.inputs.batch if as_batch else self.game.inputs.sample
        return make(x, rows, self.total_rows, self._labels(labels, rows), source, self.step, self.iteration)

    def judge(self, x, source, rows, labels):
        """Logits, class scores, and the features to match."""
        samples = self.total_rows if rows is None else len(rows)
        capture = self.layer if self.matches and self.layer != "output" else None
        ranges = [self.game.range(source, samples, self.total_rows, rows)]
        logits, scores, features = self.game.judge(x, ranges, self.step, self._labels(labels, rows), capture)
        return logits, scores, logits[:, None] if self.matches and self.layer == "output" else features

    def adversarial(self, on_real, on_fake, rows):
        loss = self.get("objective.loss")
        if self.recipe.is_relativistic:
            return losses.relativistic(on_real, on_fake)[1].mean()
        if self.recipe.is_paired:
            return losses.of_pairs(loss, on_fake, of_rows(self.slots, rows))[1].mean()
        if "flip_generator" in self.game.mistakes:
            return losses.soft_bce(on_fake, of_rows(self.game.targets.draw(self.step, self.total_rows)[0], rows)).mean()
        return losses.SEPARATE[loss][2](on_fake).mean()

    def micro(self, index, rows):
        share = 1.0 if rows is None else len(rows) / self.total_rows
        on_real = of_real = None
        if self.recipe.is_relativistic or self.matches:       # before the fakes; moves D's buffers
            with torch.no_grad():
                seen = self._input(of_rows(self.real, rows), self.real_labels, sources.G_REAL, rows)
                on_real, _, of_real = self.judge(seen, sources.G_REAL, rows, self.real_labels)
        fake = self.game.fakes(self.z, self.labels, sources.G_FAKE, self.step, rows) if self.fakes is None else self.fakes[index]
        seen = self._input(fake, self.labels, sources.G_FAKE, rows, as_batch=not self.recipe.is_paired)
        if self.recipe.is_paired:
            real = self._input(of_rows(self.real, rows), self.real_labels, sources.G_REAL, rows, as_batch=False)
            seen = paired(real, seen, of_rows(self.slots, rows))
        on_fake, scores, of_fake = self.judge(seen, sources.G_FAKE, rows, self.labels)
        self.loss = self.loss + share * self.adversarial(on_real, on_fake, rows)
        if self.matches:
            pool = self.get("tricks.feature_matching_pool")
            value = feature_matching(self.get("tricks.feature_matching_kind"), flat(of_real, pool), flat(of_fake, pool))
            self.add_term("feature_matching", self.get("tricks.feature_matching") * share * value)
        if scores is not None:
            value = losses.classification(scores, self._labels(self.labels, rows)).mean()
            self.add_term("classifier", self.get("conditional.classifier_weight") * share * value)

    def add_term(self, key, value):
        self.terms[key] = self.terms.get(key, 0.0) + value

    def run(self):
        if self.game.lock:                      # without the lock D's own backward has left gradients in G
            for parameter in self.game.generator.trained():
                parameter.grad = None
        with locked(self.game.discriminator.parameters(), self.game.lock):
            for index, rows in enumerate(self.micros):
                self.micro(index, rows)
            (self.loss + sum(self.terms.values())).backward()
        self.loss, self.terms = self.loss.detach(), {key: value.detach() for key, value in self.terms.items()}
        return self
