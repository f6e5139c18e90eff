// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor_text.h"

#include <algorithm>
#include <map>

#include "cli/format.h"
#include "correlate/hook_proof.h"
#include "correlate/window.h"
#include "fmt/format.h"

namespace ringside {
namespace {

std::string BtfText(const Machine& machine) {
  if (machine.btf) return "yes (/sys/kernel/btf/vmlinux)";
  return "no (/sys/kernel/btf/vmlinux is missing): interrupts are counted by tracepoints, host "
         "stages cannot be";
}

std::string LockdownText(const Machine& machine) {
  if (machine.lockdown.empty()) return "not known (/sys/kernel/security/lockdown cannot be read)";
  if (machine.lockdown != "confidentiality") return machine.lockdown;
  return "confidentiality: BPF programs may not read kernel memory";
}

std::string PrivilegesText(const Machine& machine) {
  std::string who = machine.uid == 0 ? "root" : fmt::format("uid {}", machine.uid);
  if (machine.missing_capabilities.empty()) return who + ", enough to record";
  return who + ", lacks " + ListText(machine.missing_capabilities, 3) + ": cannot record";
}

std::string VirtioText(const Machine& machine) {
  std::vector<std::string> devices;
  for (const VirtioDevice& device : machine.virtio) {
    std::string text = device.name;
    if (!device.driver.empty()) text += " " + device.driver;
    if (!device.netdev.empty()) text += " " + device.netdev;
    devices.push_back(std::move(text));
  }
  return devices.empty() ? "none: this machine is no virtio guest" : ListText(devices, 12);
}

std::string HostText(const Machine& machine) {
  return fmt::format("/dev/kvm {}, vhost_net {}", machine.kvm_device ? "present" : "missing",
                     machine.vhost_net ? "loaded" : "not loaded");
}

std::vector<std::string> Targets(const std::vector<const HookInfo*>& hooks) {
  std::vector<std::string> targets;
  for (const HookInfo* hook : hooks) {
    if (std::find(targets.begin(), targets.end(), hook->target) == targets.end()) {
      targets.push_back(hook->target);
    }
  }
  return targets;
}

// "irqfd_wakeup (silent), kvm_set_irq (unproven)": what is to be known about each target; of
// several hooks on one, the worst.
std::vector<std::string> TargetTexts(const StageReport& stage) {
  std::vector<std::string> texts;
  for (const std::string& target : Targets(stage.attached)) {
    const HookInfo* shown = nullptr;
    for (const HookInfo* hook : stage.attached) {
      if (hook->target != target) continue;
      if (shown == nullptr || hook->state > shown->state) shown = hook;
    }
    const bool read = shown->rung == Rung::kProcfs || shown->stage == "gauges";
    texts.push_back(read ? target : fmt::format("{} ({})", target, HookStateName(shown->state)));
  }
  return texts;
}

Style StageStyle(const StageReport& stage) {
  if (stage.attached.empty()) return Style::kDoubt;
  const bool bad = std::any_of(stage.attached.begin(), stage.attached.end(), [](const auto* hook) {
    return hook->state == HookState::kSilent || hook->state == HookState::kLossy;
  });
  return bad ? Style::kBad : Style::kGood;
}

Json HookJson(const HookInfo& hook) {
  return {{"rung", RungName(hook.rung)},
          {"target", hook.target},
          {"program", hook.program},
          {"state", HookStateName(hook.state)}};
}

// One line per hook point: several programs on one (entry and exit) are refused for one reason, and
// the one that was left out because of the other says less.
std::vector<const HookInfo*> RefusedOnce(const StageReport& stage) {
  std::vector<const HookInfo*> once;
  for (const HookInfo* hook : stage.refused) {
    auto same = std::find_if(once.begin(), once.end(), [&](const HookInfo* other) {
      return other->rung == hook->rung && other->target == hook->target;
    });
    if (same == once.end()) {
      once.push_back(hook);
    } else if ((*same)->reason.starts_with("left out")) {
      *same = hook;
    }
  }
  return once;
}

}  // namespace

std::vector<StageReport> GroupByStage(const HookReport& report) {
  std::vector<StageReport> stages;
  std::map<HookId, uint64_t> hits;
  for (const HookSample& sample : report.samples) hits[sample.hook] = sample.hits;
  for (const HookInfo& hook : report.hooks) {
    auto stage = std::find_if(stages.begin(), stages.end(),
                              [&](const StageReport& other) { return other.stage == hook.stage; });
    if (stage == stages.end()) {
      stages.push_back({.stage = hook.stage});
      stage = stages.end() - 1;
    }
    if (InUse(hook.state) || hook.state == HookState::kSilent) {
      stage->attached.push_back(&hook);
      stage->hits.push_back(hits[hook.id]);
      if (InUse(hook.state)) stage->rung = std::min(stage->rung, hook.rung);
    } else if (hook.state == HookState::kRefused) {
      stage->refused.push_back(&hook);
    }
  }
  return stages;
}

std::string MachineText(const Machine& machine, const Page& page) {
  std::string out;
  auto add = [&](const char* name, const std::string& text) {
    out += Paragraph(fmt::format("{:<12}", name), text, page);
  };
  add("kernel", machine.kernel + " " + machine.arch);
  add("BTF", BtfText(machine));
  add("lockdown", LockdownText(machine));
  add("tracefs", machine.tracefs ? "mounted"
                                 : "not mounted: mount -t tracefs nodev "
                                   "/sys/kernel/tracing");
  add("BPF JIT", machine.jit.empty()  ? "not known"
                 : machine.jit == "0" ? "off: every count costs several times more "
                                        "(net.core.bpf_jit_enable)"
                                      : "on");
  add("privileges", PrivilegesText(machine));
  add("virtio", VirtioText(machine));
  add("host", HostText(machine));
  return out;
}

std::string StagesText(const std::vector<StageReport>& stages, const Page& page) {
  Table table{.columns = {{.title = "stage"},
                          {.title = "rung"},
                          {.title = "hooks and what was refused", .wrap = true}},
              .rows = {}};
  for (const StageReport& stage : stages) {
    std::string targets =
        stage.attached.empty() ? "nothing could be attached" : ListText(TargetTexts(stage), 8);
    table.rows.push_back({{stage.stage}, {RungName(stage.rung), StageStyle(stage)}, {targets}});
    for (const HookInfo* hook : RefusedOnce(stage)) {
      table.rows.push_back(
          {{""},
           {""},
           {fmt::format("refused {} {}: {}", RungName(hook->rung), hook->target, hook->reason),
            Style::kDoubt}});
    }
  }
  return RenderTable(table, page);
}

Json MachineJson(const Machine& machine) {
  Json json = {{"kernel", machine.kernel},
               {"arch", machine.arch},
               {"btf", machine.btf},
               {"lockdown", OrNull(machine.lockdown)},
               {"tracefs", machine.tracefs},
               {"bpf_jit", OrNull(machine.jit)},
               {"uid", machine.uid},
               {"missing_capabilities", machine.missing_capabilities},
               {"virtio", Json::array()},
               {"kvm", machine.kvm_device},
               {"vhost_net", machine.vhost_net}};
  for (const VirtioDevice& device : machine.virtio) {
    json["virtio"].push_back({{"name", device.name},
                              {"driver", OrNull(device.driver)},
                              {"netdev", OrNull(device.netdev)}});
  }
  return json;
}

Json StagesJson(const std::vector<StageReport>& stages) {
  Json out = Json::array();
  for (const StageReport& stage : stages) {
    Json json = {{"stage", stage.stage},
                 {"rung", RungName(stage.rung)},
                 {"attached", Json::array()},
                 {"refused", Json::array()}};
    for (size_t i = 0; i < stage.attached.size(); ++i) {
      Json attached = HookJson(*stage.attached[i]);
      attached["hits"] = stage.hits[i];
      json["attached"].push_back(std::move(attached));
    }
    for (const HookInfo* hook : stage.refused) {
      Json refused = HookJson(*hook);
      refused["reason"] = hook->reason;
      json["refused"].push_back(std::move(refused));
    }
    out.push_back(std::move(json));
  }
  return out;
}

}  // namespace ringside
