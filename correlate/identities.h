// SPDX-License-Identifier: Apache-2.0
// The identities that a healthy path keeps (kernel facts 5), judged on one queue's cells. What
// breaks each one legitimately is a residual with a name; a verdict is `violated` only where the
// intervals cannot meet.
#ifndef RINGSIDE_CORRELATE_IDENTITIES_H_
#define RINGSIDE_CORRELATE_IDENTITIES_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "correlate/delivery_witness.h"
#include "correlate/ledger.h"

namespace ringside {

// Ids of identities that the causes look up.
inline constexpr const char* kWakeId =
    "vhost.signalled + eventfd.written = irqfd.woken + vhost.masked";
inline constexpr const char* kInjectionId = "irqfd.woken = kvm.injected + kvm.rejected";
inline constexpr const char* kDeliveryId = "kvm.injected - kvm.merged = guest.irq";

struct IdentityContext {
  uint32_t host_cpus = 0;  // 0 unknown: transmits under way at an edge are not bounded
  uint32_t ring_size = 0;
  // The host's own account of deliveries, asked where the guest's word speaks against it.
  std::function<std::optional<Untaken>()> untaken;
};

// Fills identities and verdict of a ledger whose counts, binding and cut are set.
void JudgeIdentities(const IdentityContext& context, QueueLedger* ledger);

// Interrupts under way between a delivery and the guest's handler: one pending, one entered, one
// re-run (IRQS_PENDING), and two more where the slow path was in use (design D4).
uint32_t InFlight(bool slow_path);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_IDENTITIES_H_
