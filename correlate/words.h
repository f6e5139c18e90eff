// SPDX-License-Identifier: Apache-2.0
// Numbers as sentences have them: "1,275", "40-41", "12 or more", "83%". Pure; any thread.
#ifndef RINGSIDE_CORRELATE_WORDS_H_
#define RINGSIDE_CORRELATE_WORDS_H_

#include <cstdint>
#include <string>

#include "correlate/interval.h"

namespace ringside {

std::string Number(int64_t value);                 // thousands with commas
std::string Words(const Interval& value);          // exact: "7"; else "5-7"; "5 or more"
std::string Percent(int64_t part, int64_t whole);  // "83%", "0.4%", "-" of nothing
std::string Seconds(int64_t ns);                   // "3.2 s", "140 ms"

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_WORDS_H_
