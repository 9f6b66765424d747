#pragma once
// Exceptions by type and by what their message must say.

#include <gtest/gtest.h>

#include <exception>
#include <string>
#include <vector>

namespace striate::testing_support {

/// Expects f to throw an Error whose message contains all of `parts`.
template <class Error, class F>
void expect_error(F&& f, const std::vector<std::string>& parts) {
  try {
    f();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos)
          << "expected \"" << part << "\" in: " << error.what();
    }
  } catch (const std::exception& error) {
    ADD_FAILURE() << "an exception of another type: " << error.what();
  }
}

/// The message of the exception E that f throws; fails where it throws none or another.
template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception: " << error.what();
    return {};
  }
  ADD_FAILURE() << "no exception";
  return {};
}

}  // namespace striate::testing_support
