"""Ganymede's random numbers, written again from the text of the formats with NumPy alone.

Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3": Philox4x32-10. Key words: low and high half of the seed.
Counter words: (element / 4, place in the global batch, step, purpose | index << 8).
"""
import numpy as np

PURPOSES = ("init", "z_d", "z_g", "noise_real", "noise_fake", "labels", "gp_alpha", "perturb", "dropout", "replay", "shuffle",
            "augment", "eval", "data")


def philox(counter, key):
    """Four arrays of 32-bit counter words and two key words (numbers) to four arrays of random words."""
    mask = np.uint64(0xFFFFFFFF)
    c0, c1, c2, c3 = (np.asarray(word, np.uint64) & mask for word in counter)
    k0, k1 = int(key[0]), int(key[1])
    for _ in range(10):
        low, high = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = ((high >> np.uint64(32)) ^ c1 ^ np.uint64(k0), high & mask, (low >> np.uint64(32)) ^ c3 ^ np.uint64(k1), low & mask)
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def last_word(purpose, index=0):
    return PURPOSES.index(purpose) | index << 8


def words(seed, purpose, step, first_place, rows, elements, index=0):
    """uint64 array [rows, elements] of 32-bit words."""
    blocks = -(-elements // 4)
    place = np.arange(first_place, first_place + rows)[:, None]
    block = np.arange(blocks)[None, :]
    shape = (rows, blocks)
    counter = [np.broadcast_to(word, shape) for word in (block, place, step, last_word(purpose, index))]
    return np.stack(philox(counter, (seed & 0xFFFFFFFF, seed >> 32)), axis=-1).reshape(rows, 4 * blocks)[:, :elements]


def uniform(seed, purpose, step, first_place, rows, elements, index=0):
    """In (0,1), float64 [rows, elements]."""
    return (words(seed, purpose, step, first_place, rows, elements, index).astype(np.float64) + 0.5) * 2.0 ** -32


def normal(seed, purpose, step, first_place, rows, elements, index=0):
    """N(0,1) by Box and Muller, float64 [rows, elements]."""
    u = uniform(seed, purpose, step, first_place, rows, -(-elements // 4) * 4, index)
    radius, angle = np.sqrt(-2 * np.log(u[:, 0::2])), 2 * np.pi * u[:, 1::2]
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=-1).reshape(rows, -1)[:, :elements]


def below(seed, n, purpose, step, first_place, rows, elements, index=0):
    """Integers 0 ... n-1."""
    return (words(seed, purpose, step, first_place, rows, elements, index) * np.uint64(n)) >> np.uint64(32)


def permutation(seed, n, a, b, c):
    """Fisher and Yates from the end; counter words (i / 4, a, b, c)."""
    blocks = -(-n // 4)
    counter = (np.arange(blocks), *(np.full(blocks, word) for word in (a, b, c)))
    drawn = np.stack(philox(counter, (seed & 0xFFFFFFFF, seed >> 32)), axis=-1).ravel()
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = int(drawn[i]) * (i + 1) >> 32
        order[i], order[j] = order[j], order[i]
    return order
