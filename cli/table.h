// SPDX-License-Identifier: Apache-2.0
// A table of text for a terminal or a pipe: rows in, aligned lines out. Called by every command.
//
// Where a table is wider than the page, columns are left out in the order that they name themselves
// (`hide_rank`), and a last line says how many. The last column may wrap instead. Pure: no terminal
// is asked here, see terminal.h. Values only; safe from any thread.
#ifndef RINGSIDE_CLI_TABLE_H_
#define RINGSIDE_CLI_TABLE_H_

#include <string>
#include <vector>

namespace ringside {

enum class Align { kLeft, kRight };
enum class Style { kPlain, kBold, kDim, kGood, kBad, kDoubt };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  bool bar = false;   // a '|' before it: a new group begins
  int hide_rank = 0;  // 0: always shown; else lower ranks are hidden first, equal ones together
  bool wrap = false;  // last column only: continues on further lines
};

struct Cell {
  std::string text;
  Style style = Style::kPlain;
};

struct Page {
  int width = 100;     // columns; 0: no limit
  bool color = false;  // with terminal escapes
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;  // each as long as `columns`
};

// Lines, each ended by a newline and without blanks before it. Cells are made printable.
std::string RenderTable(const Table& table, const Page& page);

std::string Styled(const std::string& text, Style style, const Page& page);

// `text` broken between words into lines of at most `width` columns (0: one line). A word that is
// longer stays whole. Never empty.
std::vector<std::string> WrapWords(const std::string& text, int width);

// A paragraph: the first line after `first`, the others after as many blanks.
std::string Paragraph(const std::string& first, const std::string& text, const Page& page);

}  // namespace ringside

#endif  // RINGSIDE_CLI_TABLE_H_
