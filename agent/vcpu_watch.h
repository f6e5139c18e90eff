// SPDX-License-Identifier: Apache-2.0
// Host: the vCPU threads of a VM, found by what they are called or do, and what the scheduler says
// of them. No hook, no help from the VMM.
//
// A thread is vCPU N if it is called "CPU N/KVM" (QEMU's debug-threads, libvirt's default), or once
// it is seen waiting in KVM_RUN on a descriptor of kvm-vcpu:N. One that never waits and has no name
// stays unknown.
//
// Agent thread only.
#ifndef RINGSIDE_AGENT_VCPU_WATCH_H_
#define RINGSIDE_AGENT_VCPU_WATCH_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "agent/proc_counts.h"

namespace ringside {

class VcpuWatch {
 public:
  struct Vcpu {
    int tid = 0;
    int schedstat_fd = -1;  // kept open: read on each snapshot
    // At the last look:
    bool in_guest = false;  // running, or in KVM_RUN
    uint64_t runs = 0;      // times it was given a CPU
  };

  // `proc` is where the process's files are, e.g. "/proc/4711".
  explicit VcpuWatch(std::string proc) : proc_(std::move(proc)) {}
  ~VcpuWatch();
  VcpuWatch(const VcpuWatch&) = delete;
  VcpuWatch& operator=(const VcpuWatch&) = delete;

  // Looks at the threads and their state; about once a second.
  void Look();
  const std::map<int, Vcpu>& vcpus() const { return vcpus_; }  // by number
  // The scheduler's numbers now. Run time is at most a tick behind; a wait under way is not in it.
  std::optional<SchedNumbers> Read(const Vcpu& vcpu) const;

  // Whether the VM's vCPUs may run. False: all its process is stopped (SIGSTOP, a debugger), or at
  // this look and the one before no known vCPU was in the guest, nor ran in between (paused by the
  // VMM). A pause shorter than two looks is not seen. Absent where no vCPU is known.
  std::optional<bool> running() const { return running_; }

 private:
  void FindThreads();
  bool NameThread(const std::string& tid);
  void LookAtVcpus();
  const std::string proc_;
  std::map<int, Vcpu> vcpus_;
  bool was_still_ = false;
  std::optional<bool> running_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_VCPU_WATCH_H_
