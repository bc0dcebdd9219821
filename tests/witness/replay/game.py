"""What both phases share: the two networks, the random numbers, the recipe, and the mistakes that are to be made on purpose."""
import torch

from . import draws as sources
from .draws import Draws, of_rows
from .inputs import Inputs, with_planes
from .losses import Targets
from .passes import Pass, RowRange

MISTAKES = {
    "gp_batch_norm": "the gradient penalty's norm is taken over the whole batch",
    "wrong_alpha": "the gradient penalty mixes each pair with its neighbour's alpha",
    "no_half_r1": "R1 without its half",
    "flip_generator": "G's targets are smoothed and flipped as D's are",
}
VIRTUAL_ROWS = 64      # section 33: n_v = min(N, 64)


class Game:
    """generator, discriminator: Runners. counts: samples of each class in the data set (K of them), or None. lock=False: D's backward
    reaches G and stays in its gradient."""

    def __init__(self, recipe, generator, discriminator, counts=None, lock=True, mistakes=()):
        self.recipe, self.get, self.draws = recipe, recipe.get, Draws(recipe)
        self.generator, self.discriminator = generator, discriminator
        self.counts, self.classes = counts, len(counts) if counts else 0
        self.inputs = Inputs(recipe, self.draws, self.classes)
        self.targets = Targets(recipe, self.draws)
        self.lock, self.mistakes = lock, frozenset(mistakes)

    def fakes(self, z, labels, source, step, rows):
        """G's samples for the places `rows` (None: all), in training mode, with their graph."""
        total, labels = len(z), None if labels is None else of_rows(labels, rows)
        z = self.latent_input(of_rows(z, rows), labels)
        if self.get("objective.pack_slots"):
            return self.fakes_by_slots(z, labels, source, step)
        return self.generator.forward(z, Pass(self.draws, step, [RowRange(source, len(z), total, rows)], labels))[0]

    def fakes_by_slots(self, z, labels, source, step):
        """Section 21: slot j (g mod m = j) is a forward of its own; the buffers take one update, with the slots' average."""
        slots, made = self.get("objective.pack"), []
        buffers = list(self.generator.layers.buffers())
        before, after = [buffer.clone() for buffer in buffers], [torch.zeros_like(buffer) for buffer in buffers]
        for slot in range(slots):
            for buffer, first in zip(buffers, before):
                buffer.data.copy_(first)               # behind the back of autograd, which has kept running statistics that it does not read
            rows = torch.arange(slot, len(z), slots)
            part = Pass(self.draws, step, [RowRange(source, len(rows), len(z), rows)], None if labels is None else labels[rows])
            made.append(self.generator.forward(z[rows], part)[0])
            for total, buffer in zip(after, buffers):
                total += buffer
        for buffer, total in zip(buffers, after):
            buffer.data.copy_(total / slots if buffer.is_floating_point() else buffer)
        return torch.stack(made, 1).flatten(0, 1)

    def latent_input(self, z, labels):
        """Section 15: [z, onehot(y)]."""
        return with_planes(z, labels, self.classes) if self.recipe.is_conditional else z

    def places(self, rows):
        """Of a micro-batch's samples, the places of what D judges: themselves, or packs of consecutive ones."""
        pack = self.get("objective.pack")
        return rows if rows is None or pack == 1 else rows[::pack] // pack

    def range(self, source, samples, total, rows):
        pack = self.get("objective.pack")
        return RowRange(source, samples // pack, total // pack, self.places(rows))

    def judge(self, x, ranges, step, labels, capture=None):
        """D's logits [B], its class scores [B,K] or None, and the captured features."""
        # A pack has no one class, and planes already say it.
        labels = labels if self.get("objective.pack") == 1 else None
        out, features = self.discriminator.forward(x, Pass(self.draws, step, ranges, labels), capture)
        out = out.reshape(len(x), -1)
        return out[:, 0], out[:, 1:] if self.get("conditional.kind") == "classifier" else None, features

    def set_references(self, real, labels):
        """Section 33: the first n_v reals of D step 0 and the first n_v z of G step 0, for networks with virtual batch norm."""
        n = min(len(real), VIRTUAL_ROWS)
        if self.get("discriminator.norm") == "virtual":
            x = with_planes(real[:n], labels[:n], self.classes) if self.get("conditional.kind") == "planes" else real[:n]
            self.discriminator.reference = (x, None if labels is None else labels[:n])
        if self.get("generator.norm") == "virtual":
            z, classes = self.draws.latents("z_g", 0, len(real))[:n], self.generator_labels(0, len(real))
            classes = None if classes is None else classes[:n]
            self.generator.reference = (self.latent_input(z, classes), classes)

    def fake_labels(self, labels, step):
        """Classes of D's fakes: those of the reals, or drawn."""
        how = self.get("conditional.fake_labels")
        if not self.recipe.is_conditional:
            return None
        return labels if how == "real" else self.draws.classes(how, 0, step, len(labels), self.counts)

    def generator_labels(self, step, rows):
        """Classes of G's fakes in its own phase."""
        return self.draws.classes(self.get("conditional.generator_labels"), 1, step, rows, self.counts) if self.recipe.is_conditional else None


def shares_of_streams(drawn, rows, streams):
    """Samples of each stream in the batch of `rows` after `drawn` samples (formats.md, Streams)."""
    return [(drawn + rows + v) // streams - (drawn + v) // streams for v in range(streams)]


def micro_batches(count, drawn, rows, streams):
    """Section 46: place i of stream v's share goes to micro-batch (v + i) mod a. The rows of each, or [None] where a = 1."""
    if count == 1:
        return [None]
    home = [(v + i) % count for v, share in enumerate(shares_of_streams(drawn, rows, streams)) for i in range(share)]
    return [torch.tensor([g for g, m in enumerate(home) if m == micro]) for micro in range(count)]


