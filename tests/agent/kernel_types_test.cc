// SPDX-License-Identifier: Apache-2.0
#include "agent/kernel_types.h"

#include <bpf/btf.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "agent/embedded.h"

namespace ringside {
namespace {

class Folder {
 public:
  Folder() {
    char path[] = "/tmp/ringside-types-XXXXXX";
    path_ = mkdtemp(path);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string File(const std::string& name) const {
    std::ofstream(path_ + "/" + name) << "btf";
    return path_ + "/" + name;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string Release() {
  utsname name{};
  uname(&name);
  return name.release;
}

TEST(KernelTypesTest, AFileIsTakenAsItIs) {
  Folder folder;
  const std::string file = folder.File("any.btf");
  auto types = FindKernelTypes(file);
  ASSERT_TRUE(types.ok());
  EXPECT_EQ(types->path, file);
}

TEST(KernelTypesTest, AFolderIsSearchedForThisRelease) {
  Folder folder;
  folder.File("5.10.0-not-this-one.btf");
  EXPECT_FALSE(FindKernelTypes(folder.path()).ok());
  const std::string file = folder.File(Release() + ".btf");
  auto types = FindKernelTypes(folder.path());
  ASSERT_TRUE(types.ok());
  EXPECT_EQ(types->path, file);
}

TEST(KernelTypesTest, WhatIsNotThereIsSaid) {
  auto types = FindKernelTypes("/nowhere/some.btf");
  ASSERT_FALSE(types.ok());
  EXPECT_EQ(types.status().message(),
            "--btf: cannot read /nowhere/some.btf: No such file or directory");
}

// What is built in is BTF, and has the structures that its kernel keeps to itself.
TEST(KernelTypesTest, BuiltInTypesNameTheStructuresOfModules) {
  int count = 0;
  for (const RingsideBtf* built = ringside_btf_table; built->release != nullptr; ++built, ++count) {
    SCOPED_TRACE(built->release);
    EXPECT_LT(built->end - built->begin, 16 << 10);
    btf* types = btf__new(built->begin, static_cast<uint32_t>(built->end - built->begin));
    ASSERT_NE(types, nullptr);
    for (const char* name :
         {"vhost_virtqueue", "tun_file", "kvm_kernel_irqfd", "vring_virtqueue", "virtnet_info"}) {
      EXPECT_GT(btf__find_by_name_kind(types, name, BTF_KIND_STRUCT), 0) << name;
    }
    btf__free(types);
  }
  EXPECT_GT(count, 0);
}

}  // namespace
}  // namespace ringside
