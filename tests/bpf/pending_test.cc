// SPDX-License-Identifier: Apache-2.0
// The program's look at pending interrupts, run by the kernel on an APIC made up in a map: no
// machine here has posted interrupts.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ringside {
namespace {

constexpr size_t kRegsAt = 4096;  // as in pending_case.bpf.c
constexpr size_t kVcpuAt = 8192;
constexpr size_t kMemory = 12288;
constexpr size_t kIrrAt = kRegsAt + 0x200;
enum { kNo, kYes, kBlind };

// Loaded against the types of one made-up kernel (made_up_kvm.c).
class Machine {
 public:
  explicit Machine(int types) {
    const std::string btf = std::string(RINGSIDE_MADE_UP) + std::to_string(types) + ".o";
    bpf_object_open_opts options{};
    options.sz = sizeof(options);
    options.btf_custom_path = btf.c_str();
    object_ = bpf_object__open_file(RINGSIDE_PENDING_CASE, &options);
    if (object_ == nullptr || bpf_object__load(object_) != 0) return;
    program_ = bpf_program__fd(bpf_object__find_program_by_name(object_, "pending_case"));
    map_ = bpf_object__find_map_fd_by_name(object_, "memory");
  }
  ~Machine() { bpf_object__close(object_); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  bool loaded() const { return program_ >= 0; }
  void Clear() { memory_.assign(kMemory, 0); }
  void SetIrr(int vector) { memory_[kIrrAt + vector / 32 * 16 + vector % 32 / 8] |= Bit(vector); }
  void SetPir(size_t at, int vector) { memory_[kVcpuAt + at + vector / 8] |= Bit(vector); }

  int Ask(int vector, bool posted, bool vmx) {
    const uint32_t zero = 0;
    if (bpf_map_update_elem(map_, &zero, memory_.data(), BPF_ANY) != 0) return -1;
    uint64_t args[] = {static_cast<uint64_t>(vector), posted, vmx};
    bpf_test_run_opts run{};
    run.sz = sizeof(run);
    run.ctx_in = args;
    run.ctx_size_in = sizeof(args);
    if (bpf_prog_test_run_opts(program_, &run) != 0) return -1;
    return static_cast<int>(run.retval);
  }

 private:
  static uint8_t Bit(int vector) { return static_cast<uint8_t>(1u << vector % 8); }

  bpf_object* object_ = nullptr;
  int program_ = -1;
  int map_ = -1;
  std::vector<uint8_t> memory_ = std::vector<uint8_t>(kMemory, 0);
};

// Where made_up_kvm.c has the posted bits: behind `fail`, or behind three words of struct vcpu_vt.
constexpr size_t kPirAt[] = {0, 17 * 8 + 8, 17 * 8 + 3 * 8};

class PendingTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "SKIP: not root";
  }
};

TEST_P(PendingTest, FindsTheBitWhereItIs) {
  const int types = GetParam();
  Machine machine(types);
  ASSERT_TRUE(machine.loaded());
  for (const int vector : {0, 31, 37, 64, 200, 255}) {
    for (const bool vmx : {false, true}) {
      machine.Clear();
      EXPECT_EQ(machine.Ask(vector, false, vmx), kNo) << vector;
      machine.SetIrr(vector);
      EXPECT_EQ(machine.Ask(vector, false, vmx), kYes) << vector;
      EXPECT_EQ(machine.Ask(vector ^ 1, false, vmx), kNo) << vector;
    }
    EXPECT_EQ(machine.Ask(vector, true, false), kYes) << "AVIC has no other place " << vector;
    const int in_irr = types == 0 ? kBlind : kYes;
    EXPECT_EQ(machine.Ask(vector, true, true), in_irr) << vector;
    machine.Clear();
    EXPECT_EQ(machine.Ask(vector, true, true), types == 0 ? kBlind : kNo) << vector;
    if (types == 0) continue;
    machine.SetPir(kPirAt[types], vector);
    EXPECT_EQ(machine.Ask(vector, true, true), kYes) << vector;
    EXPECT_EQ(machine.Ask(vector ^ 1, true, true), kNo) << vector;
    EXPECT_EQ(machine.Ask(vector, true, false), kNo) << "not a place of AVIC " << vector;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, PendingTest, testing::Values(0, 1, 2));

}  // namespace
}  // namespace ringside
