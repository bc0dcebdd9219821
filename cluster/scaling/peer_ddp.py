"""PyTorch's best effort at ganymede's training step on several ranks: DistributedDataParallel over gloo, one process a rank.

What makes it the best effort, beside all that peer_dcgan.py does: batch norm is local and its buffers are not broadcast; gradients are
views of the buckets; the size of the buckets is an option, and the comparison keeps the faster one; D's first backward of a phase
(reals) is not synchronized, the second (fakes) is, so that D's gradient travels once; fakes of the D phase and D in G's phase bypass
the wrapper, so that nothing is prepared for a reduction that does not happen. DDP reduces behind the backward that makes the gradient,
and waits at its end: that is its schedule.

    mpirun -np 2 python peer_ddp.py --data SAMPLES.bin --shape 32 32 1 --batch 64 --threads 1

Ranks and addresses come from Open MPI's environment; --master names the host of rank 0. Rank 0 prints one JSON object.
"""
import contextlib
import os

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import peer_dcgan
from peer_dcgan import LOSSES


class DdpStep(peer_dcgan.Step):
    """The same step with each network in a wrapper that sums its gradients over ranks. The batch is a rank's own."""

    def __init__(self, options, samples):
        super().__init__(options, samples)
        how = {"broadcast_buffers": False, "gradient_as_bucket_view": True, "bucket_cap_mb": options.bucket_mib}
        self.shared_generator = DistributedDataParallel(self.generator, **how)
        self.shared_discriminator = DistributedDataParallel(self.discriminator, **how)

    def discriminator_phase(self):
        real = self.samples.next()
        of_real, of_fake, _ = LOSSES[self.options.loss]
        with torch.no_grad(), self.autocast():
            fake = self.generator(self.latents())
        with self.shared_discriminator.no_sync():
            with self.autocast():
                on_real = self.shared_discriminator(real)
            of_real(on_real.float()).mul(self.scale).backward()
        with self.autocast():
            on_fake = self.shared_discriminator(fake)
        of_fake(on_fake.float()).mul(self.scale).backward()
        self.discriminator_optimizer.step()
        self.discriminator_optimizer.zero_grad(set_to_none=False)

    def generator_phase(self, _):
        for parameter in self.locked:
            parameter.requires_grad_(False)
        with self.autocast():
            logits = self.discriminator(self.shared_generator(self.latents()))
        LOSSES[self.options.loss][2](logits.float()).backward()
        self.generator_optimizer.step()
        self.generator_optimizer.zero_grad(set_to_none=False)
        for parameter in self.locked:
            parameter.requires_grad_(True)


def main():
    parser = peer_dcgan.make_parser(__doc__)
    parser.add_argument("--master", default="127.0.0.1")
    parser.add_argument("--bucket-mib", type=float, default=25)
    parser.set_defaults(optimizer="class")
    options = parser.parse_args()
    if options.reuse_fakes or options.d_batch != "separate" or options.gradient_penalty:
        parser.error("the distributed peer does separate passes and fresh fakes only")
    rank, size = int(os.environ["OMPI_COMM_WORLD_RANK"]), int(os.environ["OMPI_COMM_WORLD_SIZE"])
    torch.set_num_threads(options.threads)
    torch.manual_seed(rank)
    dist.init_process_group("gloo", init_method=f"tcp://{options.master}:29533", rank=rank, world_size=size)
    step = DdpStep(options, peer_dcgan.Samples(options.data, options.shape, options.batch, peer_dcgan.memory_format(options)))
    times, first = peer_dcgan.time_steps(step, options)
    if rank == 0:
        peer_dcgan.print_result(times, first, options)
    dist.barrier()
    with contextlib.suppress(RuntimeError):
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
