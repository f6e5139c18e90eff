// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringside {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Table Sample() {
  return {.columns = {{.title = "queue"},
                      {.title = "irq", .align = Align::kRight, .bar = true},
                      {.title = "none", .align = Align::kRight, .hide_rank = 2},
                      {.title = "busy", .align = Align::kRight, .hide_rank = 1}},
          .rows = {{{"vm1/eth0/rx0"}, {"1,314"}, {"1,095"}, {"-"}},
                   {{"vm1/eth0/rx10"}, {"1"}, {"0"}, {"12"}}}};
}

TEST(TableTest, AlignsAndSeparatesGroups) {
  EXPECT_EQ(RenderTable(Sample(), {.width = 0}),
            "queue         |   irq   none  busy\n"
            "vm1/eth0/rx0  | 1,314  1,095     -\n"
            "vm1/eth0/rx10 |     1      0    12\n");
}

TEST(TableTest, HidesColumnsByRankUntilItFits) {
  EXPECT_EQ(RenderTable(Sample(), {.width = 33}),
            "queue         |   irq   none\n"
            "vm1/eth0/rx0  | 1,314  1,095\n"
            "vm1/eth0/rx10 |     1      0\n"
            "(1 column hidden, use --wide)\n");
  EXPECT_EQ(RenderTable(Sample(), {.width = 22}),
            "queue         |   irq\n"
            "vm1/eth0/rx0  | 1,314\n"
            "vm1/eth0/rx10 |     1\n"
            "(2 columns hidden, use --wide)\n");
}

TEST(TableTest, WhatIsAlwaysShownMayBeTooWide) {
  EXPECT_THAT(RenderTable(Sample(), {.width = 10}), HasSubstr("vm1/eth0/rx10 |     1\n"));
}

TEST(TableTest, ExactWidthFits) {
  EXPECT_THAT(RenderTable(Sample(), {.width = 34}), Not(HasSubstr("hidden")));
}

TEST(TableTest, LastColumnWraps) {
  Table table{.columns = {{.title = "time"}, {.title = "text", .wrap = true}},
              .rows = {{{"+1 s"}, {"one two three four five six seven"}}}};
  EXPECT_EQ(RenderTable(table, {.width = 27}),
            "time  text\n"
            "+1 s  one two three four\n"
            "      five six seven\n");
}

TEST(TableTest, ColourLeavesTheAlignmentAlone) {
  Table table{.columns = {{.title = "v"}, {.title = "n", .align = Align::kRight}},
              .rows = {{{"holds", Style::kGood}, {"1"}}, {{"violated", Style::kBad}, {"22"}}}};
  EXPECT_EQ(RenderTable(table, {.width = 0, .color = true}),
            "\033[1mv\033[0m          \033[1mn\033[0m\n"
            "\033[32mholds\033[0m      1\n"
            "\033[1;31mviolated\033[0m  22\n");
}

TEST(TableTest, CellsCannotDriveTheTerminal) {
  Table table{.columns = {{.title = "name"}}, .rows = {{{"a\033[2J\nb"}}}};
  EXPECT_EQ(RenderTable(table, {}), "name\na\\x1b[2J\\x0ab\n");
}

TEST(TableTest, WordsWrapWholeAndNothingIsLost) {
  EXPECT_THAT(WrapWords("", 10), ElementsAre(""));
  EXPECT_THAT(WrapWords("one two", 0), ElementsAre("one two"));
  EXPECT_THAT(WrapWords("one two three", 7), ElementsAre("one two", "three"));
  EXPECT_THAT(WrapWords("a-word-that-is-longer b", 5), ElementsAre("a-word-that-is-longer", "b"));
}

TEST(TableTest, ParagraphsHang) {
  EXPECT_EQ(Paragraph("why: ", "one two three four five six seven", {.width = 27}),
            "why: one two three four\n"
            "     five six seven\n");
}

}  // namespace
}  // namespace ringside
