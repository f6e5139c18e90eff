// SPDX-License-Identifier: Apache-2.0
// What other tools' names count.
#include <algorithm>
#include <array>
#include <cctype>

#include "correlate/claims.h"

namespace ringside {
namespace {

struct KnownName {
  std::string_view name;
  std::string_view counts;  // joined by '+'
};

// Functions and tracepoints by what one hit of them means on a queue's path, and the names that
// tools print. `populate_lr` runs again at every entry into the guest: it is what tools give as
// injections, and judged as that.
constexpr auto kKnownNames = std::to_array<KnownName>({
    {"tun_net_xmit", "tun.offered"},
    {"vhost_add_used_and_signal_n", "vhost.batches"},
    {"vhost_signal", "vhost.signalled"},
    {"signals", "vhost.signalled"},
    {"last_used_idx", "guest.used"},
    {"irqfd_wakeup", "irqfd.woken"},
    {"kvm_arch_set_irq_inatomic", "irqfd.woken"},
    {"set_irq_inatomic", "irqfd.woken"},
    {"irqfd_inject", "kvm.slowpath"},
    {"kvm_set_irq", "kvm.slowpath"},
    {"kvm_set_msi", "kvm.slowpath"},
    {"injections", "kvm.injected"},
    {"kvm_apic_accept_irq", "kvm.injected"},
    {"vgic_queue_irq_unlock", "kvm.injected"},
    {"vgic_queue", "kvm.injected"},
    {"vgic_v2_populate_lr", "kvm.injected"},
    {"vgic_v3_populate_lr", "kvm.injected"},
    {"vgic_populate_lr", "kvm.injected"},
    {"populate_lr", "kvm.injected"},
    {"kvm_inj_virq", "kvm.taken"},
    {"vring_interrupt", "guest.irq"},
    {"irq_handler_entry", "guest.irq"},
    {"irq_handler_exit", "guest.irq"},
    {"interrupts", "guest.irq"},
    {"/proc/interrupts", "guest.proc_irq"},
    {"skb_recv_done", "guest.handled"},
    {"irq_handled", "guest.handled"},
    {"irq_none", "guest.none"},
    {"empty interrupts", "guest.none"},
    {"virtnet_poll", "guest.napi.softirq+guest.napi.busy+guest.napi.thread+guest.napi.netpoll"},
    {"polls", "guest.napi.softirq+guest.napi.busy+guest.napi.thread+guest.napi.netpoll"},
});

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    text.remove_suffix(1);
  }
  return text;
}

// "kprobe:vring_interrupt", "tracepoint:irq:irq_handler_entry", "__handle": the function alone.
std::string Plain(std::string_view name) {
  const size_t colon = name.rfind(':');
  if (colon != std::string_view::npos) name.remove_prefix(colon + 1);
  std::string plain(name);
  std::transform(plain.begin(), plain.end(), plain.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (plain.ends_with("()")) plain.resize(plain.size() - 2);
  return plain;
}

std::vector<Count> CountsOf(std::string_view sum) {
  std::vector<Count> counts;
  while (!sum.empty()) {
    const size_t plus = sum.find('+');
    const auto count = CountByName(Trimmed(sum.substr(0, plus)));
    // A count added to itself is nobody's number.
    if (!count || std::find(counts.begin(), counts.end(), *count) != counts.end()) return {};
    counts.push_back(*count);
    if (plus == std::string_view::npos) break;
    sum.remove_prefix(plus + 1);
    if (Trimmed(sum).empty()) return {};
  }
  std::sort(counts.begin(), counts.end());
  return counts;
}

}  // namespace

ClaimSubject SubjectByName(std::string_view name) {
  name = Trimmed(name);
  if (std::vector<Count> counts = CountsOf(name); !counts.empty()) return {std::move(counts), {}};
  if (const auto gauge = GaugeByName(name)) return {{}, gauge};
  const std::string plain = Plain(name);
  for (const KnownName& known : kKnownNames) {
    if (known.name == plain) return {CountsOf(known.counts), {}};
  }
  return {};
}

std::string SubjectName(const ClaimSubject& subject) {
  std::string text;
  for (const Count count : subject.counts) {
    if (!text.empty()) text += " + ";
    text += CountName(count);
  }
  if (text.empty() && subject.gauge) text = GaugeName(*subject.gauge);
  return text;
}

std::string_view ClaimVerdictName(ClaimVerdict verdict) {
  switch (verdict) {
    case ClaimVerdict::kConfirmed: return "confirmed";
    case ClaimVerdict::kRefuted: return "refuted";
    case ClaimVerdict::kInconclusive: return "inconclusive";
  }
  return "inconclusive";
}

}  // namespace ringside
