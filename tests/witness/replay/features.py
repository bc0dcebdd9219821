"""Section 6: G's fakes are to have the features of reals in one of D's layers."""
import torch


def flat(features, pool):
    """[B,F]: all values of a row, or the means over its pixels."""
    return features.mean((2, 3)) if pool and features.dim() == 4 else features.flatten(1)


def feature_matching(kind, of_real, of_fake):
    """elementwise: mean over B F of |f(x) - f(G(z))|, row against row. Else D = difference of the two means over B:
    l1: mean_F |D|, l2: mean_F D^2, l2_sum: sum_F D^2."""
    if kind == "elementwise":
        return (of_real - of_fake).abs().mean()
    difference = of_real.mean(0) - of_fake.mean(0)
    if kind == "l1":
        return difference.abs().mean()
    return difference.square().mean() if kind == "l2" else torch.sum(difference.square())
