// SPDX-License-Identifier: Apache-2.0
// "Intermittent network loss in one VM": a published investigation, its counts as an incident.
//
// The numbers are the published ones, not a recording: five minutes before the guest's kernel
// switched the interrupt off, then the half minute in which the host dropped. What one published
// step says and another contradicts is not here but in tests/data/case-a.claims.json.
#ifndef RINGSIDE_TESTS_CORRELATE_CASE_A_H_
#define RINGSIDE_TESTS_CORRELATE_CASE_A_H_

#include "correlate/recording.h"

namespace ringside {

Recording PublishedCaseA();

}  // namespace ringside

#endif  // RINGSIDE_TESTS_CORRELATE_CASE_A_H_
