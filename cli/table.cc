// SPDX-License-Identifier: Apache-2.0
#include "cli/table.h"

#include <algorithm>
#include <climits>

#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr int kGap = 2;           // blanks between columns
constexpr int kWrapMinimum = 20;  // a wrapping column narrower than this helps nobody

const char* Escape(Style style) {
  switch (style) {
    case Style::kPlain: return "";
    case Style::kBold: return "\033[1m";
    case Style::kDim: return "\033[2m";
    case Style::kGood: return "\033[32m";
    case Style::kBad: return "\033[1;31m";
    case Style::kDoubt: return "\033[33m";
  }
  return "";
}

// What is shown of a table: which columns, and how wide each is.
struct Layout {
  std::vector<size_t> shown;
  std::vector<int> widths;  // of the shown ones
};

int NaturalWidth(const Table& table, size_t column) {
  int width = DisplayWidth(table.columns[column].title);
  for (const auto& row : table.rows) {
    width = std::max(width, DisplayWidth(Printable(row[column].text)));
  }
  return width;
}

int TotalWidth(const Table& table, const Layout& layout) {
  int total = 0;
  for (size_t i = 0; i < layout.shown.size(); ++i) {
    total += layout.widths[i];
    if (i > 0) total += kGap;
    // A bar stands in the gap and takes two more: "a | b" instead of "a  b" looks crowded.
    if (i > 0 && table.columns[layout.shown[i]].bar) total += 1;
  }
  return total;
}

Layout LayoutOf(const Table& table, const std::vector<size_t>& shown) {
  Layout layout{.shown = shown, .widths = {}};
  for (size_t column : shown) layout.widths.push_back(NaturalWidth(table, column));
  return layout;
}

// Narrows a wrapping last column to what the page leaves for it.
bool FitByWrapping(const Table& table, int page_width, Layout& layout) {
  if (layout.shown.empty() || !table.columns[layout.shown.back()].wrap) return false;
  int left = page_width - (TotalWidth(table, layout) - layout.widths.back());
  if (left < kWrapMinimum) return false;
  layout.widths.back() = std::min(layout.widths.back(), left);
  return true;
}

Layout FitLayout(const Table& table, const Page& page) {
  std::vector<size_t> shown;
  for (size_t i = 0; i < table.columns.size(); ++i) shown.push_back(i);
  while (true) {
    Layout layout = LayoutOf(table, shown);
    if (page.width <= 0 || TotalWidth(table, layout) <= page.width) return layout;
    if (FitByWrapping(table, page.width, layout)) return layout;
    int rank = INT_MAX;
    for (size_t column : shown) {
      int own = table.columns[column].hide_rank;
      if (own > 0) rank = std::min(rank, own);
    }
    if (rank == INT_MAX) return layout;  // nothing left to hide: too wide is better than nothing
    std::erase_if(shown, [&](size_t column) { return table.columns[column].hide_rank == rank; });
  }
}

void AppendPadded(std::string& line, const std::string& text, int width, Align align, Style style,
                  const Page& page) {
  std::string blanks(std::max(0, width - DisplayWidth(text)), ' ');
  if (align == Align::kRight) line += blanks;
  line += Styled(text, style, page);
  if (align == Align::kLeft) line += blanks;
}

void TrimRight(std::string& line) {
  while (!line.empty() && line.back() == ' ') line.pop_back();
}

void AppendGap(const Table& table, const Layout& layout, size_t i, bool bars, std::string& line) {
  if (i == 0) return;
  if (!table.columns[layout.shown[i]].bar) {
    line.append(kGap, ' ');
  } else {
    line += bars ? " | " : "   ";
  }
}

std::string RenderRow(const Table& table, const Layout& layout, const std::vector<Cell>& row,
                      const Page& page) {
  std::string line;
  std::vector<std::string> more;
  for (size_t i = 0; i < layout.shown.size(); ++i) {
    const Column& column = table.columns[layout.shown[i]];
    const Cell& cell = row[layout.shown[i]];
    std::string text = Printable(cell.text);
    if (column.wrap && i + 1 == layout.shown.size()) {
      more = WrapWords(text, layout.widths[i]);
      text = more.front();
      more.erase(more.begin());
    }
    AppendGap(table, layout, i, true, line);
    AppendPadded(line, text, layout.widths[i], column.align, cell.style, page);
  }
  TrimRight(line);
  line += '\n';
  int indent = TotalWidth(table, layout) - (layout.widths.empty() ? 0 : layout.widths.back());
  for (const std::string& rest : more) {
    line += std::string(indent, ' ') + Styled(rest, row[layout.shown.back()].style, page) + '\n';
  }
  return line;
}

}  // namespace

std::string Styled(const std::string& text, Style style, const Page& page) {
  if (!page.color || style == Style::kPlain || text.empty()) return text;
  return Escape(style) + text + "\033[0m";
}

std::string RenderTable(const Table& table, const Page& page) {
  Layout layout = FitLayout(table, page);
  std::vector<Cell> titles;
  for (const Column& column : table.columns) titles.push_back({column.title, Style::kBold});
  std::string out = RenderRow(table, layout, titles, page);
  for (const auto& row : table.rows) out += RenderRow(table, layout, row, page);
  size_t hidden = table.columns.size() - layout.shown.size();
  if (hidden > 0) {
    std::string note =
        fmt::format("({} {} hidden, use --wide)", hidden, hidden == 1 ? "column" : "columns");
    out += Styled(note, Style::kDim, page) + '\n';
  }
  return out;
}

std::vector<std::string> WrapWords(const std::string& text, int width) {
  std::vector<std::string> lines(1);
  int used = 0;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = text.find(' ', at);
    if (end == std::string::npos) end = text.size();
    std::string word = text.substr(at, end - at);
    int word_width = DisplayWidth(word);
    bool fits = width <= 0 || used == 0 || used + 1 + word_width <= width;
    if (!fits) {
      lines.emplace_back();
      used = 0;
    } else if (at > 0) {
      lines.back() += ' ';
      ++used;
    }
    lines.back() += word;
    used += word_width;
    at = end + 1;
  }
  return lines;
}

std::string Paragraph(const std::string& first, const std::string& text, const Page& page) {
  int indent = DisplayWidth(first);
  int width = page.width <= 0 ? 0 : std::max(kWrapMinimum, page.width - indent);
  std::string out;
  for (const std::string& line : WrapWords(Printable(text), width)) {
    out += (out.empty() ? first : std::string(indent, ' ')) + line + '\n';
  }
  return out;
}

}  // namespace ringside
