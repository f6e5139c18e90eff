// SPDX-License-Identifier: Apache-2.0
// Evidence about a guest's clock and its host's that is not made of queues: what KVM knows.
//
// TSC offset: the host's debugfs says what KVM adds to its counter for the guest. A guest's reading
// of (RAW, counter) is then one of the host's counter, which the host's own readings lead to its
// RAW. ptp_kvm: the guest asks KVM for the host's REALTIME at an instant of its own RAW; the host's
// readings lead from REALTIME to MONOTONIC. Agents state both as facts (`kvm.PID.vcpuN.tsc`,
// `clock.cross`); a text that is not as expected is no evidence.
#ifndef RINGSIDE_CORRELATE_CLOCK_GUEST_H_
#define RINGSIDE_CORRELATE_CLOCK_GUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "correlate/clock_fit.h"
#include "correlate/recording.h"

namespace ringside {

// Whatever keeps a source from being used, in words; empty if it was used or is not there at all.
using WhyNot = std::string;

// `pid` is the VMM's on the host.
WhyNot AddTscOffset(const Stream& host, const Stream& guest, int32_t pid, uint32_t source,
                    std::vector<ClockEvidence>* evidence);
WhyNot AddCrossTimes(const Stream& host, const Stream& guest, uint32_t source,
                     std::vector<ClockEvidence>* evidence);

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_CLOCK_GUEST_H_
