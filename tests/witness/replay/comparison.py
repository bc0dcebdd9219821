"""The largest difference of each kind of thing between a trace and its replay."""
import numpy as np
import torch

from .recipe import Unknown


# The first iteration's weights are equal, but for G's phase behind one update of D: what differs there is the terms themselves, values and
# gradients, and hardly anything that updates made of it.
FIRST_TOLERANCE = 1e-10


class Comparison:
    def __init__(self, tolerance, file):
        self.tolerance, self.file, self.worst = tolerance, file, {}
        self.single = file["steps/000000/d/0/z"].dtype == np.float32

    def check(self, kind, path, mine, tolerance=None, changed=None):
        """mine against the trace's `path`. changed: applied to the trace's values first."""
        if path not in self.file:
            raise Unknown(f"the trace holds no {path}")
        theirs = np.asarray(self.file[path][()])
        theirs = theirs if changed is None else changed(theirs)
        mine = mine.detach().numpy() if isinstance(mine, torch.Tensor) else np.asarray(mine)
        if mine.shape != theirs.shape:
            difference = float("inf")
        elif mine.size == 0:
            difference = 0.0
        else:
            gap = np.abs(mine.astype(np.float64) - theirs.astype(np.float64)) / self.scale(kind, np.abs(theirs.astype(np.float64)))
            difference = float("inf") if np.isnan(gap).any() else float(gap.max())
        tolerance = self.tolerance if tolerance is None else tolerance
        if path.startswith("steps/000000/") and not self.single and tolerance > FIRST_TOLERANCE:
            kind, tolerance = f"first {kind}", FIRST_TOLERANCE
        worst, where, _ = self.worst.get(kind, (-1.0, "", 0))
        if difference > worst:
            self.worst[kind] = (difference, path, tolerance)

    def scale(self, kind, magnitude):
        """What a gap is measured against: each value itself, plus 1e-3. In float32 an entry of a gradient near zero is a sum of large terms
        that cancel, with their rounding errors (in PyTorch too, up to 6e-4 off the float64 truth), so there it is the largest of the tensor."""
        if self.single and kind.startswith(("gradients", "logits")):
            return max(magnitude.max(), 1e-3)
        return magnitude + 1e-3

    def agrees(self):
        return all(difference <= tolerance for difference, _, tolerance in self.worst.values())

    def report(self):
        """One line a kind."""
        return "\n".join(
            f"{'ok  ' if difference <= tolerance else 'FAIL'} {kind:26s} largest difference {difference:.3e} (at most {tolerance:.0e}) at {path}"
            for kind, (difference, path, tolerance) in self.worst.items())
