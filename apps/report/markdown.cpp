#include "apps/report/markdown.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "apps/cli/command_line.h"
#include "apps/report/html.h"

namespace striate::cli {
namespace {

// The cells of "| a | b \| c |".
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::string cell;
  for (std::size_t i = 1; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size() && line[i + 1] == '|') {
      cell += line[++i];
    } else if (line[i] == '|') {
      const std::size_t begin = cell.find_first_not_of(' ');
      cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, cell.find_last_not_of(' ') - begin + 1));
      cell.clear();
    } else {
      cell += line[i];
    }
  }
  return cells;
}

// Without marks of code and emphasis, and with a link's words in its place.
std::string plain(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') {
      const std::size_t words_end = text.find(']', i);
      const std::size_t end = words_end == text.find("](", i) ? text.find(')', words_end) : std::string_view::npos;
      if (end != std::string_view::npos) {
        result += plain(text.substr(i + 1, words_end - i - 1));
        i = end;
        continue;
      }
    }
    const bool bold = text.substr(i).starts_with("**");
    if (!bold && text[i] != '`') result += text[i];
    if (bold) ++i;
  }
  return result;
}

bool begins(const std::string& line, const char* with) { return line.starts_with(with); }

}  // namespace

std::string markdown_html(const std::string& markdown, const std::string& picture) {
  std::string html, paragraph;
  std::vector<std::vector<std::string>> table;
  const auto flush = [&] {
    if (!paragraph.empty()) html += html_text(paragraph);
    if (!table.empty()) html += html_table(table);
    paragraph.clear();
    table.clear();
  };
  for (const std::string& line : split(markdown, '\n')) {
    const bool row = begins(line, "|");
    const bool item = begins(line, "- ");
    if (row != !table.empty() || line.empty() || item || begins(line, "#") || begins(line, "![")) flush();
    if (row) {
      if (line.find_first_not_of("|-: ") != std::string::npos) table.push_back(cells_of(plain(line)));
    } else if (begins(line, "![")) {
      html += picture;
    } else if (begins(line, "#")) {
      const std::string text = plain(line.substr(std::min(line.find_first_not_of("# "), line.size())));
      html += begins(line, "# ") ? "" : html_heading(text);  // the page has one of its own
    } else if (!line.empty()) {
      paragraph +=
          (paragraph.empty() ? "" : " ") + (item ? "• " + plain(std::string_view(line).substr(2)) : plain(line));
    }
  }
  flush();
  return html;
}

}  // namespace striate::cli
