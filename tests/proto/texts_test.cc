// SPDX-License-Identifier: Apache-2.0
#include "proto/texts.h"

#include <gtest/gtest.h>

#include "tests/proto/random.h"

namespace ringside {
namespace {

std::string Clean(std::string text, size_t max_bytes = 100) {
  CleanText(text, max_bytes);
  return text;
}

TEST(CleanTextTest, KeepsWhatCanBePrinted) {
  EXPECT_EQ(Clean(""), "");
  EXPECT_EQ(Clean("eth0/rx1\tok"), "eth0/rx1\tok");
  EXPECT_EQ(Clean("Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x8d"),
            "Gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\x8d");
}

TEST(CleanTextTest, ReplacesControlsAndWhatIsNoText) {
  EXPECT_EQ(Clean("a\x1b[2J\nb\x7f"), "a?[2J?b?");
  EXPECT_EQ(Clean(std::string("a\0b", 3)), "a?b");
  EXPECT_EQ(Clean("\xc2\x9b\xc2\xa0"), "?\xc2\xa0");  // C1 controls drive terminals too
  EXPECT_EQ(Clean("\xc0\xaf \xed\xa0\x80 \xf5\x80"), "?? ??? ??");  // overlong, surrogate, beyond
  EXPECT_EQ(Clean("end\xe2\x82"), "end??");
}

TEST(CleanTextTest, CutsBetweenCharacters) {
  EXPECT_EQ(Clean("abcdef", 3), "abc");
  EXPECT_EQ(Clean("ab\xe2\x82\xac", 4), "ab");
  EXPECT_EQ(Clean("ab\xe2\x82\xac", 5), "ab\xe2\x82\xac");
}

TEST(CleanTextTest, TwiceIsOnce) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(testing::Message() << "RINGSIDE_TEST_SEED=" << seed);
  Random random(seed);
  for (int round = 0; round < 5000; ++round) {
    std::string text(random.UpTo(20), ' ');
    for (char& c : text) c = static_cast<char>(random.UpTo(255));
    const size_t max_bytes = random.UpTo(20);
    const std::string once = Clean(text, max_bytes);
    EXPECT_LE(once.size(), max_bytes);
    EXPECT_EQ(Clean(once, max_bytes), once);
  }
}

}  // namespace
}  // namespace ringside
