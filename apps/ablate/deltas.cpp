#include "apps/ablate/deltas.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>

#include "apps/training/csv.h"
#include "core/text.h"

namespace striate::cli {
namespace {

Delta delta_of(const Results& results, const Table& table, std::size_t row, std::int64_t end) {
  const std::size_t against = *table.rows[row].against;
  Delta delta{.row = row, .against = against};
  delta.same_flags = table.rows[row].cell == table.rows[against].cell;
  if (delta.same_flags) return delta;
  const auto own = results.cells[table.rows[row].cell].accuracies(end);
  const auto others = results.cells[table.rows[against].cell].accuracies(end);
  delta.missing = own.empty() || others.empty();
  std::vector<double> differences;
  std::vector<double> values;
  std::vector<double> other_values;
  for (const auto& [seed, value] : own) {
    values.push_back(value);
    const auto other = others.find(seed);
    if (other == others.end()) {
      delta.alone.push_back(seed);
      continue;
    }
    delta.seeds.push_back(seed);
    differences.push_back(value - other->second);
  }
  for (const auto& [seed, value] : others) {
    other_values.push_back(value);
    if (!own.contains(seed)) delta.alone.push_back(seed);
  }
  std::sort(delta.alone.begin(), delta.alone.end());
  if (!differences.empty()) delta.mean = mean(differences);
  delta.paired = paired_test(differences);
  delta.welch = welch_interval(values, other_values);
  return delta;
}

}  // namespace

std::string Delta::verdict() const {
  if (same_flags) return "the same flags";
  if (missing) return "missing";
  if (seeds.empty()) return "no common seed";
  if (resolved()) return mean > 0 ? "better" : "worse";
  const bool before_holm = paired && paired->p < 0.05;
  return before_holm ? fmt::format("not resolved (p {} by itself)", p_text(paired->p)) : "not resolved";
}

std::vector<Delta> table_deltas(const Results& results, const Table& table, std::int64_t end) {
  std::vector<Delta> deltas;
  std::vector<double> p;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    if (!table.rows[row].against) continue;
    deltas.push_back(delta_of(results, table, row, end));
    if (deltas.back().paired) p.push_back(deltas.back().paired->p);
  }
  const std::vector<double> adjusted = holm_adjusted(p);
  auto next = adjusted.begin();
  for (Delta& delta : deltas) {
    if (delta.paired) delta.holm = *next++;
  }
  return deltas;
}

std::string p_text(double p) { return p < 0.001 ? "<0.001" : fmt::format("{:.3f}", p); }

std::string deltas_csv(const Results& results) {
  std::string text = "table,cell,against,seeds,delta,paired_low,paired_high,p,p_holm,welch_low,welch_high,verdict\n";
  for (const Table& table : results.recipe->tables) {
    for (const Delta& delta : table_deltas(results, table)) {
      std::vector<std::string> line = {csv_field(table.title), csv_field(table.rows[delta.row].label),
                                       csv_field(table.rows[delta.against].label), std::to_string(delta.seeds.size())};
      const auto add = [&](bool known, double value) { line.push_back(known ? fmt::format("{:.6g}", value) : ""); };
      const PairedTest paired = delta.paired.value_or(PairedTest{});
      const Interval welch = delta.welch.value_or(Interval{});
      add(!delta.seeds.empty(), delta.mean);
      add(delta.paired.has_value(), paired.interval.low());
      add(delta.paired.has_value(), paired.interval.high());
      add(delta.paired.has_value(), paired.p);
      add(delta.holm.has_value(), delta.holm.value_or(1));
      add(delta.welch.has_value(), welch.low());
      add(delta.welch.has_value(), welch.high());
      line.push_back(csv_field(delta.verdict()));
      text += joined(line, ",") + "\n";
    }
  }
  return text;
}

}  // namespace striate::cli
