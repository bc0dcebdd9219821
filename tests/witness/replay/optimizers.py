"""torch.optim's Adam, RMSprop or SGD with the recipe's schedule (sections 2, 12, 40), clipping of D's gradient (5) and of its weights (12)."""
import math

import torch


class Optimizer:
    """Steps the trained parameters. `beta1`, where given, stands in for the recipe's: a mistake made on purpose."""

    def __init__(self, recipe, which, parameters, beta1=None):
        self.get = recipe.section(f"optimizer.{which}")
        self.steps = 0
        per_iteration = recipe.get(f"objective.{which[0]}_steps")
        self.end = self.get("schedule_steps") or recipe.get("run.steps") * per_iteration
        trained = list(parameters)
        kind, lr = self.get("kind"), self.get("lr")
        if kind == "adam":
            betas = (self.get("beta1") if beta1 is None else beta1, self.get("beta2"))
            self.torch = torch.optim.Adam(trained, lr=lr, betas=betas, eps=self.get("eps"))
        elif kind == "rmsprop":
            self.torch = torch.optim.RMSprop(trained, lr=lr, alpha=self.get("alpha"), eps=self.get("eps"))
        else:
            self.torch = torch.optim.SGD(trained, lr=lr)

    def learning_rate(self, counter):
        """counter: steps already done by this network, or by G (lr_counter)."""
        lr, schedule, warmup = self.get("lr"), self.get("schedule"), self.get("warmup_steps")
        if schedule == "exponential":
            lr *= self.get("decay_rate") ** (counter / self.get("decay_steps"))
        elif schedule == "step":
            lr = self.get("end_lr") if counter >= self.get("schedule_start") else lr
        elif schedule != "constant":
            start, end_lr = self.get("schedule_start"), self.get("end_lr")
            done = min(max((counter - start) / (self.end - start), 0), 1)
            lr = end_lr + (lr - end_lr) * (1 - done if schedule == "linear" else (1 + math.cos(math.pi * done)) / 2)
        return lr * min(1, (counter + 1) / warmup) if warmup else lr

    def step(self, g_steps=None, factor=1.0):
        counter = self.steps if self.get("lr_counter") == "own" or g_steps is None else g_steps
        for group in self.torch.param_groups:
            group["lr"] = self.learning_rate(counter) * factor
        self.torch.step()
        self.steps += 1


def clip_gradient(parameters, norm=0.0, value=0.0):
    """g min(1, c / (|g| + 1e-6)) with |g| over all parameters, or each element into [-c, c]."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if norm > 0:
        total = torch.sqrt(sum(g.square().sum() for g in gradients))
        factor = torch.clamp(norm / (total + 1e-6), max=1.0)
        for gradient in gradients:
            gradient.mul_(factor)
    if value > 0:
        for gradient in gradients:
            gradient.clamp_(-value, value)


def clip_weights(parameters, most):
    """Every parameter, biases and batch norm's too, into [-c, c]."""
    with torch.no_grad():
        for parameter in parameters:
            parameter.clamp_(-most, most)
