#include "comm/device.hpp"

#include <fmt/format.h>

#include <charconv>

#include "core/error.hpp"

#ifdef GANYMEDE_CUDA
#include <cuda_runtime_api.h>
#endif

namespace ganymede::comm {

VisibleGpus visible_gpus() {
#ifdef GANYMEDE_CUDA
  int count = 0;
  if (const auto code = cudaGetDeviceCount(&count); code != cudaSuccess) return {0, fmt::format("the CUDA runtime says: {}", cudaGetErrorString(code))};
  if (count == 0) return {0, "the CUDA runtime sees no GPU (is CUDA_VISIBLE_DEVICES empty?)"};
  return {count, {}};
#else
  return {0, "the program was built without CUDA (preset `release`; the preset `cuda` builds with it)"};
#endif
}

c10::Device chosen_device(DeviceRequest request, const std::vector<RankGpus>& ranks, int own) {
  const c10::Device host(c10::kCPU);
  if (request == DeviceRequest::cpu) return host;
  const RankGpus *without = nullptr, *with = nullptr;
  for (const auto& rank : ranks) (rank.visible.count == 0 ? without : with) = &rank;
  if (without && request == DeviceRequest::cuda)
    throw Error(Fault::launch, "run.device = \"cuda\", but host {} has no GPU that can be used", without->host)
        .cause("{}", without->visible.why_none)
        .remedy("start where there is a GPU, or compute on the host with --device cpu");
  if (without && with)
    throw Error(Fault::launch, "host {} has GPUs and host {} has none that can be used, so run.device = \"auto\" is not clear", with->host, without->host)
        .cause("on {}: {}", without->host, without->visible.why_none)
        .remedy("leave one kind of host out of the job, or say --device cpu");
  if (without) return host;
  for (const auto& rank : ranks)
    if (rank.ranks_on_host > rank.visible.count)
      throw Error(Fault::launch, "host {} has {} ranks and {} GPUs", rank.host, rank.ranks_on_host, rank.visible.count)
          .cause("each rank computes on a GPU of its own")
          .remedy("start at most {} ranks there, or compute on the host with --device cpu", rank.visible.count);
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(ranks[static_cast<size_t>(own)].local_rank));
}

c10::Device choose_device(DeviceRequest request, Communicator& communicator, Deadline deadline) {
  const auto ours = visible_gpus();
  const auto texts = communicator.gather_texts(fmt::format("{} {}", ours.count, ours.why_none), "visible GPUs", deadline);
  std::vector<RankGpus> ranks;
  for (int r = 0; r < communicator.size(); ++r) {
    RankGpus rank{communicator.hosts()[r], 0, 0, {}};
    const auto& text = texts[r];
    std::from_chars(text.data(), text.data() + text.size(), rank.visible.count);
    rank.visible.why_none = text.substr(text.find(' ') + 1);
    for (int other = 0; other < communicator.size(); ++other) {
      if (communicator.hosts()[other] != rank.host) continue;
      ++rank.ranks_on_host;
      if (other < r) ++rank.local_rank;
    }
    ranks.push_back(std::move(rank));
  }
  return chosen_device(request, ranks, communicator.rank());
}

}  // namespace ganymede::comm
