"""PyTorch's best effort at ganymede's training step on one process, and what it costs: step time, peak memory, time to the first step.

What makes it the best effort: fused Adam; the moving average by one foreach call; D locked in G's phase, so that no gradient
of its weights is computed; fakes of the D phase made without graph; D's real and fake halves go backward one after the
other, which keeps only one graph in memory; gradients set to None; no number read back inside the loop; the data set in memory
as uint8, scaled batch by batch; either memory format (compare_step.py tries both and takes the faster); nothing imported but
torch. The step is that of the recipe: the same networks, batch norm over reals and fakes apart, both losses, both updates,
and the average.

    peer_dcgan.py --data SAMPLES.bin --shape 32 32 1 --batch 64 --threads 2
    peer_dcgan.py --kind mlp --data POINTS.bin --shape 2 --batch 256 --threads 1 --latent 16 --width 128

SAMPLES.bin: the samples alone, uint8 NHWC or float32 NF. Prints one JSON object.
"""
import argparse
import functools
import json
import resource
import time

import torch
from torch.nn.functional import softplus
from torch.optim.adam import adam

import reference_nets as nets


def seconds_since_start():
    """Since the kernel made this process: the interpreter's start and the imports count."""
    with open("/proc/self/stat") as file:
        ticks = int(file.read().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / 100      # USER_HZ is 100 on Linux


class Samples:
    """The data set in memory as stored; next() gives a scaled batch, every sample once per epoch."""

    def __init__(self, path, shape, batch, memory_format):
        import numpy     # torch has loaded it already
        self.images = len(shape) == 3
        self.all = torch.from_numpy(numpy.fromfile(path, numpy.uint8 if self.images else numpy.float32).reshape(-1, *shape))
        self.batch, self.memory_format, self.place = batch, memory_format, len(self.all)

    def next(self):
        if self.place + self.batch > len(self.all):
            self.order, self.place = torch.randperm(len(self.all)), 0
        rows = self.all.index_select(0, self.order[self.place:self.place + self.batch])
        self.place += self.batch
        if not self.images:
            return rows
        return rows.permute(0, 3, 1, 2).to(torch.float32, memory_format=self.memory_format).mul_(1 / 127.5).sub_(1)


class FunctionalAdam:
    """torch.optim.adam.adam, the functional form of the same fused kernel: the class imports the whole of torch._dynamo at its
    first use, which costs about a second of the start and tens of MiB, and an eager loop needs none of it."""

    def __init__(self, weights, lr, betas):
        self.weights, self.lr, self.betas = weights, lr, betas
        self.mean, self.square = ([torch.zeros_like(p) for p in weights] for _ in range(2))
        self.steps = [torch.zeros((), dtype=torch.float32) for _ in weights]

    def step(self):
        adam(self.weights, [p.grad for p in self.weights], self.mean, self.square, [], self.steps, fused=True, amsgrad=False, beta1=self.betas[0],
             beta2=self.betas[1], lr=self.lr, weight_decay=0.0, eps=1e-8, maximize=False)

    def zero_grad(self):
        for parameter in self.weights:
            parameter.grad = None


# D's loss of its outputs on reals and on fakes, and G's.
LOSSES = {
    "non_saturating": (lambda x: softplus(-x).mean(), lambda x: softplus(x).mean(), lambda x: softplus(-x).mean()),
    "minimax": (lambda x: softplus(-x).mean(), lambda x: softplus(x).mean(), lambda x: (-softplus(x)).mean()),
    "wasserstein": (lambda x: -x.mean(), lambda x: x.mean(), lambda x: -x.mean()),
}


class Step:
    def __init__(self, options, samples):
        self.options, self.samples = options, samples
        if options.kind == "mlp":
            self.generator = nets.mlp_generator(options.shape[0], options.latent, options.width, options.depth)
            self.discriminator = nets.mlp_discriminator(options.shape[0], options.width, options.depth)
        else:
            self.generator = nets.dcgan_generator(options.shape[0], options.shape[2], options.latent, options.width)
            self.discriminator = nets.dcgan_discriminator(options.shape[0], options.shape[2], options.width)
            for network in (self.generator, self.discriminator):
                nets.initialize_dcgan(network)
                network.to(memory_format=samples.memory_format)
        self.weights = [p for p in self.generator.parameters() if p.requires_grad]
        self.locked = list(self.discriminator.parameters())
        self.buffers = list(self.generator.buffers())
        self.average = [p.detach().clone() for p in self.weights]
        self.average_buffers = [b.clone() for b in self.buffers]
        if options.optimizer == "class":
            make = functools.partial(torch.optim.Adam, fused=True, lr=options.lr, betas=(options.beta1, 0.999))
        else:
            make = functools.partial(FunctionalAdam, lr=options.lr, betas=(options.beta1, 0.999))
        self.generator_optimizer, self.discriminator_optimizer = make(self.weights), make(self.locked)
        self.scale = 0.5 if options.d_loss == "half" else 1.0
        self.steps = 0

    def autocast(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=self.options.precision == "bf16")

    def latents(self):
        return torch.randn(self.options.batch, self.options.latent)

    def judged(self, samples):
        with self.autocast():
            return self.discriminator(samples).float()

    def discriminator_phase(self):
        real, reuse = self.samples.next(), self.options.reuse_fakes
        of_real, of_fake, _ = LOSSES[self.options.loss]
        with torch.set_grad_enabled(reuse), self.autocast():
            fake = self.generator(self.latents())
        if self.options.d_batch == "joint":
            on_real, on_fake = self.judged(torch.cat([real, fake.detach()])).split(len(real))
            (of_real(on_real) + of_fake(on_fake)).mul(self.scale).backward()
        else:
            of_real(self.judged(real)).mul(self.scale).backward()
            of_fake(self.judged(fake.detach())).mul(self.scale).backward()
        if self.options.gradient_penalty > 0:
            self.gradient_penalty(real, fake.detach()).backward()
        self.discriminator_optimizer.step()
        self.discriminator_optimizer.zero_grad()
        return fake if reuse else None

    def gradient_penalty(self, real, fake):
        alpha = torch.rand(len(real), *[1] * (real.dim() - 1))
        point = torch.lerp(fake, real, alpha).requires_grad_(True)
        slope = torch.autograd.grad(self.discriminator(point).sum(), point, create_graph=True)[0]
        return self.options.gradient_penalty * (slope.flatten(1).square().sum(1).add(1e-10).sqrt() - 1).square().mean()

    def generator_phase(self, fake):
        for parameter in self.locked:
            parameter.requires_grad_(False)
        with self.autocast():
            logits = self.discriminator(self.generator(self.latents()) if fake is None else fake)
        LOSSES[self.options.loss][2](logits.float()).backward()
        self.generator_optimizer.step()
        self.generator_optimizer.zero_grad()
        for parameter in self.locked:
            parameter.requires_grad_(True)

    def update_average(self):
        self.steps += 1
        decay = min(self.options.average, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.weights, 1 - decay)
            if self.buffers:
                torch._foreach_copy_(self.average_buffers, self.buffers)

    def run(self):
        for _ in range(self.options.d_steps):
            fake = self.discriminator_phase()
        self.generator_phase(fake)
        self.update_average()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def make_parser(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("dcgan", "mlp"), default="dcgan")
    parser.add_argument("--data", required=True)
    parser.add_argument("--shape", type=int, nargs="+", required=True, help="of one sample: H W C, or F")
    parser.add_argument("--latent", type=int, default=100)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--loss", choices=LOSSES, default="non_saturating")
    parser.add_argument("--gradient-penalty", type=float, default=0.0, help="weight of WGAN-GP's two-sided penalty")
    parser.add_argument("--d-loss", choices=("sum", "half"), default="sum")
    parser.add_argument("--d-batch", choices=("separate", "joint"), default="separate")
    parser.add_argument("--d-steps", type=int, default=1)
    parser.add_argument("--reuse-fakes", action="store_true")
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--beta1", type=float, default=0.5)
    parser.add_argument("--average", type=float, default=0.999)
    parser.add_argument("--memory-format", choices=("channels_last", "contiguous"), default="channels_last")
    parser.add_argument("--optimizer", choices=("class", "function"), default="class",
                        help="class: torch.optim.Adam(fused=True); function: what it calls, which starts sooner")
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32", help="bf16: autocast around each forward")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=30)
    return parser


def time_steps(step, options):
    """Each measured iteration's time in ms, and when since the process' start the very first one had ended, in s."""
    times, first = [], None
    for _ in range(options.warmup + options.iterations):
        begin = time.perf_counter()
        step.run()
        times.append(1000 * (time.perf_counter() - begin))
        first = first or seconds_since_start()
    return times[options.warmup:], first


def print_result(times, first, options):
    print(json.dumps({
        "step_ms": {"median": percentile(times, 0.5), "p10": percentile(times, 0.1), "p90": percentile(times, 0.9), "samples": times},
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "start_to_first_step_s": first,
        "threads": options.threads, "memory_format": options.memory_format, "versions": {"torch": torch.__version__}}))


def memory_format(options):
    return torch.channels_last if options.memory_format == "channels_last" else torch.contiguous_format


def main():
    options = make_parser(__doc__).parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    step = Step(options, Samples(options.data, options.shape, options.batch, memory_format(options)))
    print_result(*time_steps(step, options), options)


if __name__ == "__main__":
    main()
