"""The order of samples, written again from the text of the formats: which sample stands where in which global batch.

Plain and slow on purpose: every stream's epoch is laid out whole before anything is taken from it.
"""
import philox


class Streams:
    """blocks: the chunk lengths in manifest order; n streams read them with a window of `window` pieces."""

    def __init__(self, seed, chunks, streams, window=4):
        self.seed, self.streams, self.window = seed, streams, window
        parts = 1 if len(chunks) >= 4 * streams else -(-4 * streams // len(chunks))
        self.blocks, start = [], 0
        for length in chunks:
            cuts = [start + length * j // parts for j in range(parts + 1)]
            self.blocks += [range(low, high) for low, high in zip(cuts, cuts[1:]) if high > low]
            start += length
        self.samples = start
        self.orders = [[] for _ in range(streams)]    # of each stream: every sample of the epochs laid out so far
        self.epochs = 0
        self.drawn = 0

    def _lay_out_epoch(self):
        e, n = self.epochs, self.samples
        dealt = [self.blocks[i] for i in philox.permutation(self.seed, len(self.blocks), e, 0, philox.last_word("shuffle"))]
        place = 0                                     # where the next stream's range begins in the blocks laid end to end
        for v in range(self.streams):
            end = place + ((e + 1) * n + v) // self.streams - (e * n + v) // self.streams
            pieces, offset = [], 0
            for block in dealt:
                low, high = max(place, offset), min(end, offset + len(block))
                if high > low:
                    pieces.append(list(block)[low - offset:high - offset])
                offset += len(block)
            for w in range(0, len(pieces), self.window):
                samples = sum(pieces[w:w + self.window], [])
                order = philox.permutation(self.seed, len(samples), e, v + 1, philox.last_word("shuffle", w // self.window))
                self.orders[v] += [samples[i] for i in order]
            place = end
        self.epochs += 1

    def shares(self, n):
        """How many samples each stream gives to the next batch of n."""
        return [(self.drawn + n + v) // self.streams - (self.drawn + v) // self.streams for v in range(self.streams)]

    def next(self, n):
        """The next global batch: by stream, then position."""
        given = [(self.drawn + v) // self.streams for v in range(self.streams)]
        batch = []
        for v, share in enumerate(self.shares(n)):
            while len(self.orders[v]) < given[v] + share:
                self._lay_out_epoch()
            batch += self.orders[v][given[v]:given[v] + share]
        self.drawn += n
        return batch


def rank_shares(shares, ranks):
    """Samples of each rank: rank r owns streams floor(V r / R) ... floor(V (r+1) / R) - 1."""
    cuts = [len(shares) * r // ranks for r in range(ranks + 1)]
    return [sum(shares[low:high]) for low, high in zip(cuts, cuts[1:])]
