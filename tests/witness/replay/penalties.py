"""Terms of D's loss that hold its slope: sections 12 to 14. All see D's input as D saw it, a row being what one logit judges.

`score` gives D's logits [B] for rows [B,...]. Each function gives one number without its weight, with a graph.
"""
import torch


def slopes(score, points):
    """d l_i / d x_i of each row, with a graph for the second derivative."""
    points = points.detach().requires_grad_(True)
    return torch.autograd.grad(score(points).sum(), points, create_graph=True)[0]


def norms(gradient, over_the_batch=False):
    """s_i = sqrt(sum over all dimensions but the first of g^2 + 1e-10). over_the_batch: the public mistake, one norm for all rows."""
    squares = gradient.square().flatten(1).sum(1)
    return torch.sqrt((squares.sum().expand(len(squares)) if over_the_batch else squares) + 1e-10)


def between(alpha, a, b):
    """alpha_i a_i + (1 - alpha_i) b_i."""
    alpha = alpha.reshape(-1, *[1] * (a.dim() - 1))
    return alpha * a + (1 - alpha) * b


def gradient_penalty(score, real, fake, alpha, target=1.0, sides="two", over_the_batch=False):
    """Section 13: mean_i (s_i / tau - 1)^2 at x_i = alpha_i real_i + (1 - alpha_i) fake_i; one-sided: only where s_i > tau."""
    excess = norms(slopes(score, between(alpha, real.detach(), fake.detach())), over_the_batch) / target - 1
    return (torch.clamp(excess, min=0) if sides == "one" else excess).square().mean()


def r1(gradient):
    """Section 14: mean_i sum (d l_i / d x_i)^2 over the reals, to be weighted by gamma / 2. gradient: of the reals' own pass, with a graph."""
    return gradient.square().flatten(1).sum(1).mean()


def dragan(score, real, u, alpha):
    """Section 14: mean_i (s_i - 1)^2 at x_i + alpha_i 0.5 std u_i; std: one number, of all elements of the batch, population."""
    real = real.detach()
    perturbed = real + 0.5 * real.std(correction=0) * u
    return (norms(slopes(score, real + alpha.reshape(-1, *[1] * (real.dim() - 1)) * (perturbed - real))) - 1).square().mean()
