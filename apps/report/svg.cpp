#include "apps/report/svg.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>

namespace striate::cli {
namespace {

// Own background, so that it reads the same on any page; dark where the viewer says that it is.
constexpr const char* kStyle = R"(<style>
  .paper{fill:#ffffff} text{fill:#24292f;font:13px sans-serif} .title{font-weight:bold;font-size:14px}
  .small{font-size:11px} .quiet{fill:#6e7781} .grid{stroke:#d8dee4} .band{fill:#f6f8fa}
  .dot{fill:#0969da;fill-opacity:.75} .beyond{fill-opacity:0;stroke:#0969da}
  .curve{fill:none;stroke:#0969da;stroke-width:1.8}
  .mean{stroke:#24292f;stroke-width:2.5} .whisker{stroke:#57606a;stroke-width:1.2}
  @media (prefers-color-scheme:dark){
    .paper{fill:#0d1117} text{fill:#e6edf3} .quiet{fill:#8d96a0} .grid{stroke:#30363d} .band{fill:#161b22}
    .dot{fill:#58a6ff} .beyond,.curve{stroke:#58a6ff} .mean{stroke:#f0f6fc} .whisker{stroke:#adbac7}
  }
</style>
)";

}  // namespace

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&quot;" : std::string(1, c);
  }
  return result;
}

double tick_step(double range) {
  const double power = std::pow(10, std::floor(std::log10(range / 6)));
  const double rough = range / 6 / power;
  return power * (rough < 2 ? 2 : rough < 5 ? 5 : 10);
}

std::string svg_file(double width, double height, const std::string& body) {
  return fmt::format(
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">\n", width,
             height) +
         kStyle + fmt::format("<rect width=\"{}\" height=\"{}\" class=\"paper\"/>\n", width, height) + body +
         "</svg>\n";
}

std::string svg_text(double x, double y, const char* anchor, const char* kind, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n", x, y, anchor, kind,
                     escaped(text));
}

std::string svg_line(double x1, double y1, double x2, double y2, const char* kind) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n", x1, y1, x2, y2,
                     kind);
}

}  // namespace striate::cli
