"""Section 32, historical averaging: w |theta - mean|^2, the mean being that of theta at the start and after every step so far."""
import torch


class HistoricalAverage:
    def __init__(self, parameters, weight, window=0.0):
        self.parameters, self.weight, self.window, self.steps = list(parameters), weight, window, 0
        self.means = [p.detach().clone() for p in self.parameters]

    def add_gradient(self):
        """2 w (theta - mean) onto the reduced gradient, before clipping; gives the term's value."""
        value = 0.0
        for parameter, mean in zip(self.parameters, self.means):
            gap = parameter.detach() - mean
            parameter.grad = 2 * self.weight * gap + (0 if parameter.grad is None else parameter.grad)
            value += self.weight * gap.square().sum()
        return value

    def update(self):
        """After the step: mean += (theta - mean) / (t + 1), or beta mean + (1 - beta) theta."""
        self.steps += 1
        share = 1 - self.window if self.window > 0 else 1 / (self.steps + 1)
        with torch.no_grad():
            for parameter, mean in zip(self.parameters, self.means):
                mean += share * (parameter - mean)
