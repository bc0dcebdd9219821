// A Communicator that hands everything on to another: for tests that change one thing about it.
#pragma once
#include "comm/communicator.hpp"

namespace ganymede::test {

class ForwardingCommunicator : public comm::Communicator {
 public:
  explicit ForwardingCommunicator(comm::Communicator& inner) : inner_(inner) {}
  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  const std::vector<std::string>& hosts() const override { return inner_.hosts(); }
  std::string backend() const override { return inner_.backend(); }
  comm::Work all_reduce_sum_async(at::Tensor tensor, const std::string& name, Deadline deadline, comm::Channel channel) override {
    return inner_.all_reduce_sum_async(std::move(tensor), name, deadline, channel);
  }
  at::Tensor all_gather(const at::Tensor& own, const std::string& name, Deadline deadline, comm::Channel channel) override {
    return inner_.all_gather(own, name, deadline, channel);
  }
  void broadcast(at::Tensor tensor, int root, const std::string& name, Deadline deadline, comm::Channel channel) override {
    inner_.broadcast(std::move(tensor), root, name, deadline, channel);
  }
  void exchange(const std::vector<at::Tensor>& outgoing, std::vector<at::Tensor>& incoming, const std::string& name, Deadline deadline, comm::Channel channel) override {
    inner_.exchange(outgoing, incoming, name, deadline, channel);
  }
  void barrier(const std::string& name, Deadline deadline) override { inner_.barrier(name, deadline); }
  std::vector<std::string> gather_texts(const std::string& own, const std::string& name, Deadline deadline) override { return inner_.gather_texts(own, name, deadline); }
  std::unique_ptr<comm::Communicator> split(int color, const std::string& name, Deadline deadline) override { return inner_.split(color, name, deadline); }
  void relay_failure(const Error& error) noexcept override { inner_.relay_failure(error); }
  void check_peers() override { inner_.check_peers(); }
  comm::Traffic traffic() const override { return inner_.traffic(); }
  void shut_down(Deadline deadline) override { inner_.shut_down(deadline); }

 private:
  comm::Communicator& inner_;
};

}  // namespace ganymede::test
