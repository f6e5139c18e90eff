// SPDX-License-Identifier: Apache-2.0
#include "agent/bpf_log.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace ringside {
namespace {

// Lines as libbpf 1.1 prints them (recorded on 6.18 and 6.1).
constexpr char kNoFunction[] =
    "libbpf: prog 'host_tun_entry': failed to find kernel BTF type ID of 'tun_net_xmit': -3\n"
    "libbpf: prog 'host_tun_entry': failed to prepare load attributes: -3\n"
    "libbpf: prog 'host_tun_entry': failed to load: -3\n"
    "libbpf: failed to load object 'host'\n";
constexpr char kVerifier[] =
    "libbpf: prog 'guest_irq_entry': BPF program load failed: Permission denied\n"
    "libbpf: prog 'guest_irq_entry': -- BEGIN PROG LOAD LOG --\n"
    "0: R1=ctx(off=0,imm=0) R10=fp0\n"
    "R3 invalid mem access 'scalar'\n"
    "processed 12 insns (limit 1000000) max_states_per_insn 0 total_states 0\n"
    "-- END PROG LOAD LOG --\n"
    "libbpf: prog 'guest_irq_entry': failed to load: -13\n";

TEST(BpfLogTest, NamesTheProgramAndTheReason) {
  EXPECT_EQ(FailedProgramIn(kNoFunction), "host_tun_entry");
  EXPECT_NE(ReasonIn(kNoFunction, ESRCH).find("no such function"), std::string::npos);
  EXPECT_EQ(FailedProgramIn(kVerifier), "guest_irq_entry");
  EXPECT_EQ(ReasonIn(kVerifier, EACCES), "Permission denied: R3 invalid mem access 'scalar'");
}

TEST(BpfLogTest, EmptyLogStillHasAReason) {
  EXPECT_EQ(FailedProgramIn(""), "");
  EXPECT_EQ(ReasonIn("", EPERM), "Operation not permitted");
}

}  // namespace
}  // namespace ringside
