// SPDX-License-Identifier: Apache-2.0
#include "tests/correlate/case_a.h"

#include "tests/correlate/builder.h"

namespace ringside {

Recording PublishedCaseA() {
  // The account of five minutes; thirty equal steps and what is left over.
  const std::map<Count, uint64_t> kAccount = {
      {Count::kVhostBatches, 8'234},     {Count::kVhostUsed, 8'234},
      {Count::kVhostSignalled, 8'234},   {Count::kIrqfdWoken, 8'234},
      {Count::kKvmInjected, 8'234},      {Count::kGuestIrq, 8'567},
      {Count::kGuestHandled, 7'689},     {Count::kGuestNone, 878},
      {Count::kGuestNapiSoftirq, 7'234}, {Count::kGuestNapiBusy, 38'444},
      {Count::kGuestProcIrq, 8'567}};
  constexpr int kSteps = 30;
  std::map<Count, uint64_t> step, rest;
  Builder builder("rx2", "vnet37");
  for (const auto& [count, total] : kAccount) {
    step[count] = total / kSteps;
    rest[count] = total % kSteps;
    const bool guest = count >= Count::kGuestIrq;
    guest ? builder.GuestCounts({count}) : builder.HostCounts({count});
  }
  builder.HostCounts({Count::kTunDropped});
  builder.GuestFact("net.core.busy_poll", "50").GuestFact("net.core.busy_read", "50");
  builder.Parts(Count::kGuestNapiBusy, "process=nginx", 15'678 / kSteps);
  builder.Parts(Count::kGuestNapiBusy, "process=redis", 12'345 / kSteps);
  builder.HostGauges({{Gauge::kTunFull, 0}, {Gauge::kUsed, 12'850}, {Gauge::kAvail, 12'850}});
  builder.Steps(kSteps, 10'000, step).Steps(1, 100, rest);
  builder.Parts(Count::kGuestNapiBusy, "process=nginx", 0);
  builder.Parts(Count::kGuestNapiBusy, "process=redis", 0);
  builder.GuestLog("irq 69: nobody cared (try booting with the \"irqpoll\" option)");
  builder.GuestLog("Disabling IRQ #69");
  builder.HostGauges({{Gauge::kTunFull, 1},
                      {Gauge::kUsed, 12'890},
                      {Gauge::kAvail, 12'890},
                      {Gauge::kSignalledUsed, 12'890},
                      {Gauge::kUsedEvent, 12'850}});
  builder.Parts(Count::kTunDropped, "reason=FULL_RING", 2'847);
  builder.Steps(3, 10'000, {{Count::kTunDropped, 2'847}});
  return builder.Both();
}

}  // namespace ringside
