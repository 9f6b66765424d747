#pragma once
// The options of a case in a reference file: "key=value key=1,2,3".

#include <cstdint>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace striate::testing_support {

class CaseOptions {
 public:
  explicit CaseOptions(const std::string& text) {
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      const std::size_t at = word.find('=');
      if (at == std::string::npos) throw std::invalid_argument("no '=' in option " + word);
      values_[word.substr(0, at)] = word.substr(at + 1);
    }
  }

  [[nodiscard]] const std::string& text(const std::string& key) const {
    const auto found = values_.find(key);
    if (found == values_.end()) throw std::invalid_argument("the case has no option " + key);
    return found->second;
  }
  [[nodiscard]] std::vector<double> numbers(const std::string& key) const {
    std::vector<double> result;
    std::istringstream parts(text(key));
    for (std::string part; std::getline(parts, part, ',');) result.push_back(std::stod(part));
    return result;
  }
  [[nodiscard]] std::vector<std::int64_t> integers(const std::string& key) const {
    std::vector<std::int64_t> result;
    for (const double number : numbers(key)) result.push_back(static_cast<std::int64_t>(number));
    return result;
  }
  [[nodiscard]] double number(const std::string& key) const { return numbers(key).at(0); }
  [[nodiscard]] std::int64_t integer(const std::string& key) const { return integers(key).at(0); }
  [[nodiscard]] bool flag(const std::string& key) const { return integer(key) != 0; }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace striate::testing_support
