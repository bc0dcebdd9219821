"""One pass through a network, with what its layers must know of the rows beside their values."""
import dataclasses

import reference_layers as blocks
import torch

from .draws import Draws, of_rows


@dataclasses.dataclass
class RowRange:
    """Consecutive rows of a pass from one source; layers that mix samples never mix two ranges."""
    source: int                                  # draws.D_REAL ...
    count: int                                   # rows in this pass
    total: int                                   # of the global batch
    rows: torch.Tensor | None = None             # which of those; None: all


@dataclasses.dataclass
class Pass:
    draws: Draws | None
    step: int                                    # optimizer steps of the network whose phase it is
    ranges: list
    labels: torch.Tensor | None = None           # class of each row, for layers that read it

    def kept(self, layer, shape, p, by_channel):
        """Dropout's masks for all rows (section 10)."""
        return torch.cat([of_rows(self.draws.kept(layer, r.source, self.step, r.total, shape, p, by_channel), r.rows) for r in self.ranges])


class Runner:
    """Runs a reference network in training mode: tells its layers of the pass, captures features, and sends a reference batch along,
    behind the others, where virtual batch norm asks for one (section 33)."""

    def __init__(self, network):
        self.layers, self.view = network.layers, network.latent_view
        self.reference = None                    # (x, labels) of n_v rows, once known
        for part in self.layers.modules():
            if hasattr(part, "inplace"):
                part.inplace = False             # changes no number; a captured output stays what it was

    def forward(self, x, pass_, capture=None):
        """Output rows of x, and the captured features: the input of the last layer, the output of the layer with a number, or None."""
        live, parts, labels, captured = len(x), [r.count for r in pass_.ranges], pass_.labels, None
        if self.reference is not None:
            first, first_labels = self.reference
            x, parts = torch.cat([x, first]), [*parts, len(first)]
            labels = None if labels is None else torch.cat([labels, first_labels])
        x = x if self.view is None else self.view(x)
        for number, layer in enumerate(self.layers):
            if capture == "penultimate" and number == len(self.layers) - 1:
                captured = x[:live]
            if isinstance(layer, blocks.WithPass):
                layer.labels, layer.parts = labels, parts
            if isinstance(layer, blocks.Dropout):
                layer.mask = pass_.kept(number, x.shape[1:], layer.p, layer.channel)
            x = layer(x)
            if capture == number:
                captured = x[:live]
        return x[:live], captured

    def parameters(self):
        return list(self.layers.parameters())

    def trained(self):
        return [p for p in self.layers.parameters() if p.requires_grad]
