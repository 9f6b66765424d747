#include "core/check.h"

#include <gtest/gtest.h>

#include "core/dtype.h"
#include "tests/support/errors.h"

namespace striate {
namespace {

using testing_support::message_of;

TEST(Check, SaysWhatWasExpectedAndWhatCame) {
  EXPECT_NO_THROW(expect(true, "op", "p above 0", 1));
  EXPECT_EQ(message_of<std::invalid_argument>([] { expect(false, "dropout", "p between 0 and 1", 1.5); }),
            "[dropout] expected p between 0 and 1, got 1.5");
  EXPECT_EQ(message_of<std::invalid_argument>([] { expect(false, "linear", "f32 or f64", DType::bf16); }),
            "[linear] expected f32 or f64, got bf16");
  EXPECT_EQ(message_of<std::invalid_argument>([] { expect(false, "op", "a name", std::string("\x1b[2J")); }),
            "[op] expected a name, got \\x1b[2J");
}

}  // namespace
}  // namespace striate
