"""Philox4x32-10 in NumPy, from the paper (Salmon et al. 2011) and not from ganymede's code."""
import numpy

M0, M1 = numpy.uint64(0xD2511F53), numpy.uint64(0xCD9E8D57)
W0, W1 = 0x9E3779B9, 0xBB67AE85
LOW = numpy.uint64(0xFFFFFFFF)
PURPOSES = ["init", "z_d", "z_g", "noise_real", "noise_fake", "labels", "gp_alpha", "perturb", "dropout", "replay", "shuffle", "augment", "eval", "data"]


def words(seed, c0, c1, c2, c3):
    """The four words of each block; counters broadcast. Returns uint64 [4, ...] with values below 2**32."""
    x = [numpy.asarray(c, dtype=numpy.uint64) for c in (c0, c1, c2, c3)]
    x = [c.copy() for c in numpy.broadcast_arrays(*x)]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = M0 * x[0], M1 * x[2]
        x = [(p1 >> numpy.uint64(32)) ^ x[1] ^ numpy.uint64(k0), p1 & LOW, (p0 >> numpy.uint64(32)) ^ x[3] ^ numpy.uint64(k1), p0 & LOW]
        k0, k1 = (k0 + W0) & 0xFFFFFFFF, (k1 + W1) & 0xFFFFFFFF
    return numpy.stack(x)


def permutation(seed, n, a, b, c):
    """Fisher-Yates from the end; word i of the sequence belongs to step i."""
    flat = words(seed, numpy.arange((n + 3) // 4), a, b, c).T.reshape(-1).tolist()
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = (flat[i] * (i + 1)) >> 32
        order[i], order[j] = order[j], order[i]
    return order


def check_known_answers():
    """kat_vectors of the Random123 distribution."""
    zeros = words(0, 0, 0, 0, 0).tolist()
    assert zeros == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8], zeros
    pi = words(0xA4093822 | 0x299F31D0 << 32, 0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344).tolist()
    assert pi == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1], pi
