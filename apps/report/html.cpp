#include "apps/report/html.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "apps/report/svg.h"
#include "core/printable.h"

namespace striate::cli {
namespace {

// Series are told apart by colour and marker, and by dashes: --s0 to --s7. Paper is light.
constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--paper:#fff;--ink:#1f2328;--quiet:#59636e;--line:#d1d9e0;--band:#f6f8fa;--s0:#0b5cc4;
--s1:#bc4c00;--s2:#1a7f37;--s3:#8250df;--s4:#9a6700;--s5:#0e7490;--s6:#bf3989;--s7:#59636e}
@media screen and (prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--quiet:#9da7b1;--line:#30363d;
--band:#161b22;--s0:#58a6ff;--s1:#ff9657;--s2:#4ac26b;--s3:#c297ff;--s4:#e3b341;--s5:#4dc7d9;--s6:#ff7eb6;--s7:#adbac7}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1rem;background:var(--paper);color:var(--ink);font:15px/1.5 sans-serif}
h1{font-size:1.5rem;overflow-wrap:anywhere} h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem} .quiet,figcaption,caption{color:var(--quiet)} figcaption{overflow-wrap:anywhere}
figure{margin:0;break-inside:avoid} .grid{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(21rem,100%),1fr))}
.tiles{display:grid;gap:.75rem;grid-template-columns:repeat(auto-fill,minmax(7.5rem,1fr))} .tiles figcaption{font-size:.8rem}
.scroll{overflow-x:auto} .columns{columns:20rem} .columns .scroll{overflow:visible} .columns td{overflow-wrap:anywhere} table{border-collapse:collapse;font-size:.85rem;margin:.5rem 0}
caption{text-align:left} th,td{padding:.15rem .6rem;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
td{overflow-wrap:break-word;max-width:28rem} tr:nth-child(even){background:var(--band)} .n{text-align:right;white-space:nowrap}
img{max-width:100%} .pixels{image-rendering:pixelated;width:100%} .whole{max-width:none} .wide{max-width:none;width:62rem}
.key{list-style:none;padding:0;margin:.25rem 0;font-size:.85rem;display:flex;flex-wrap:wrap;gap:0 1rem}
.key svg{width:34px;height:12px} svg text{fill:var(--quiet);font:11px sans-serif} .tick{stroke:var(--line)}
.curve{fill:none;stroke-width:1.8} .d1{stroke-dasharray:6 3} .d2{stroke-dasharray:2 3} .d3{stroke-dasharray:8 3 2 3}
.area{fill-opacity:.18;stroke:none} @media print{h2,h3{break-after:avoid} .scroll{overflow:visible} .whole,.wide{width:auto;max-width:100%}}
)";

std::string series_style() {
  std::string text;
  for (int i = 0; i < 8; ++i) text += fmt::format(".s{0}{{stroke:var(--s{0})}} .f{0}{{fill:var(--s{0})}}\n", i);
  return text;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8U | (i + j < bytes.size() ? static_cast<std::uint8_t>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : digits[group >> (18 - 6 * j) & 63U];
  }
  return text;
}

std::string safe(const std::string& text) { return escaped(printable(text, 4096)); }

// "90.00 (0.09)", "0.1%".
bool is_number(const std::string& cell) { return cell.find_first_not_of("0123456789+-.,%:e() ") == std::string::npos; }

bool holds_numbers(const std::vector<std::vector<std::string>>& rows, std::size_t column) {
  bool any = false, all = column > 0;
  for (std::size_t row = 1; row < rows.size(); ++row) {
    if (column >= rows[row].size()) continue;
    any = any || !rows[row][column].empty();
    all = all && is_number(rows[row][column]);
  }
  return any && all;
}

}  // namespace

std::string html_page(const std::string& title, const std::string& body, int refresh) {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
         "'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
         (refresh > 0 ? fmt::format("<meta http-equiv=\"refresh\" content=\"{}\">\n", refresh) : "") + "<title>" +
         safe(title) + "</title>\n<style>" + kStyle + series_style() + "</style></head>\n<body><h1>" + safe(title) +
         "</h1>\n" + body + "</body></html>\n";
}

std::string html_section(const std::string& title, const std::string& body) {
  return "<section><h2>" + safe(title) + "</h2>\n" + body + "</section>\n";
}

std::string html_heading(const std::string& text) { return "<h3>" + safe(text) + "</h3>\n"; }

std::string html_text(const std::string& text) { return "<p>" + safe(text) + "</p>\n"; }

std::string html_table(const std::vector<std::vector<std::string>>& rows, const std::string& caption) {
  std::string html = "<div class=\"scroll\"><table>";
  if (!caption.empty()) html += "<caption>" + safe(caption) + "</caption>";
  for (std::size_t row = 0; row < rows.size(); ++row) {
    html += "<tr>";
    for (std::size_t column = 0; column < rows[row].size(); ++column) {
      const std::string& cell = rows[row][column];
      const bool right = holds_numbers(rows, column);
      const char* tag = row == 0 ? "th scope=\"col\"" : column == 0 ? "th scope=\"row\"" : "td";
      html += fmt::format("<{}{}>{}</{}>", tag, right ? " class=\"n\"" : "", safe(cell), std::string(tag, 2));
    }
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

std::string html_picture(const std::string& type, std::string_view bytes, const std::string& words,
                         const std::string& kind) {
  return fmt::format("<img{} alt=\"{}\" src=\"data:{};base64,{}\">", kind.empty() ? "" : " class=\"" + kind + "\"",
                     safe(words), type, base64(bytes));
}

std::string html_figure(const std::string& html, const std::string& caption) {
  return "<figure>" + html + "<figcaption>" + safe(caption) + "</figcaption></figure>\n";
}

}  // namespace striate::cli
