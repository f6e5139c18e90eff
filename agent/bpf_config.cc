// SPDX-License-Identifier: Apache-2.0
#include "agent/bpf_config.h"

#include <bpf/btf.h>

#include <cstring>
#include <ctime>

#include "agent/kernel_files.h"

namespace ringside {
namespace {

// Not an address, not a bit of a 64-bit word that these kernels use.
constexpr uint32_t kAbsentBit = 63;

// Value of an enumerator, looked up by name in the kernel's BTF.
uint32_t EnumBit(const btf* types, const char* name, uint32_t absent) {
  if (types == nullptr) return absent;
  const uint32_t count = btf__type_cnt(types);
  for (uint32_t id = 1; id < count; ++id) {
    const btf_type* type = btf__type_by_id(types, id);
    if (!btf_is_enum(type)) continue;
    const struct btf_enum* value = btf_enum(type);
    for (int i = 0; i < btf_vlen(type); ++i) {
      if (strcmp(btf__name_by_offset(types, value[i].name_off), name) == 0) {
        return static_cast<uint32_t>(value[i].val);
      }
    }
  }
  return absent;
}

}  // namespace

uint32_t TicksPerSecond() {
  timespec tick{};
  if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) != 0 || tick.tv_sec != 0 || tick.tv_nsec <= 0) {
    return 0;
  }
  constexpr long kSecondNs = 1'000'000'000;
  return static_cast<uint32_t>((kSecondNs + tick.tv_nsec / 2) / tick.tv_nsec);
}

rs_config MakeBpfConfig() {
  const auto symbols = ReadKallsyms(
      {"vring_interrupt", "virtnet_poll", "virtnet_poll_tx", "irqfd_wakeup", "vhost_poll_wakeup"});
  const auto address = [&](const char* name) {
    const auto found = symbols.find(name);
    return found == symbols.end() ? 0 : found->second;
  };
  rs_config config{};
  config.fn_vring_interrupt = address("vring_interrupt");
  config.fn_virtnet_poll = address("virtnet_poll");
  config.fn_virtnet_poll_tx = address("virtnet_poll_tx");
  config.fn_irqfd_wakeup = address("irqfd_wakeup");
  config.fn_vhost_poll_wakeup = address("vhost_poll_wakeup");
  config.spurious_gap = TicksPerSecond() / 10;
  config.vmx = ReadText("/proc/cpuinfo").find(" vmx ") != std::string::npos;
  btf* types = btf__load_vmlinux_btf();
  config.napi_busy_bit = EnumBit(types, "NAPI_STATE_IN_BUSY_POLL", kAbsentBit);
  config.napi_thread_bit = EnumBit(types, "NAPI_STATE_SCHED_THREADED", kAbsentBit);
  btf__free(types);
  return config;
}

std::map<uint32_t, std::string> ReadDropReasons() {
  constexpr std::string_view kPrefix = "SKB_DROP_REASON_";
  std::map<uint32_t, std::string> reasons;
  btf* types = btf__load_vmlinux_btf();
  const int id =
      types == nullptr ? -1 : btf__find_by_name_kind(types, "skb_drop_reason", BTF_KIND_ENUM);
  if (id > 0) {
    const btf_type* type = btf__type_by_id(types, static_cast<uint32_t>(id));
    const struct btf_enum* value = btf_enum(type);
    for (int i = 0; i < btf_vlen(type); ++i) {
      const std::string_view name = btf__name_by_offset(types, value[i].name_off);
      if (!name.starts_with(kPrefix)) continue;
      reasons[static_cast<uint32_t>(value[i].val)] = name.substr(kPrefix.size());
    }
  }
  btf__free(types);
  return reasons;
}

std::vector<HookInfo> RefusedHooks(const std::vector<ProgramSpec>& specs,
                                   std::vector<HookInfo> tried, const absl::Status& status) {
  if (tried.empty()) {
    for (const ProgramSpec& spec : specs) {
      HookInfo hook{.stage = spec.stage, .program = spec.program};
      hook.target = spec.target;
      hook.rung = spec.rung;
      tried.push_back(std::move(hook));
    }
  }
  for (HookInfo& hook : tried) {
    if (hook.reason.empty()) {
      hook.reason = status.ok() ? "not needed: the object's main hook is missing"
                                : std::string(status.message());
    }
    hook.state = HookState::kRefused;
  }
  return tried;
}

}  // namespace ringside
