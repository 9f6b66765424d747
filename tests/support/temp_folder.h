#pragma once
// A folder for one test, removed with all it holds.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace striate::testing_support {

class TempFolder {
 public:
  TempFolder() : path_(made()) {}
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  TempFolder(TempFolder&&) = delete;
  TempFolder& operator=(TempFolder&&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Writes a file (folders on the way are made) and returns its path.
  // NOLINTNEXTLINE(modernize-use-nodiscard): called for the file more often than for its path
  std::filesystem::path write(const std::filesystem::path& name, const std::string& bytes) const {
    std::filesystem::path file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }

 private:
  // mkdtemp's name is nobody else's, whatever earlier or other runs left there.
  static std::filesystem::path made() {
    const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
    const std::string of = test == nullptr ? "" : std::string(test->test_suite_name()) + "_" + test->name() + "_";
    std::string path = (std::filesystem::path(testing::TempDir()) / ("striate_" + of + "XXXXXX")).string();
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("cannot make the folder " + path);
    return path;
  }

  std::filesystem::path path_;
};

}  // namespace striate::testing_support
