// Every case of every op.
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "tests/support/op_case_check.h"

namespace convoy {

// How a failing case is shown.
static void PrintTo(const OpCase& op_case, std::ostream* stream) { *stream << op_case.name; }

namespace {

class OpCases : public testing::TestWithParam<OpCase> {};

TEST_P(OpCases, KeepsEveryPromise) { check_op_case(GetParam()); }

INSTANTIATE_TEST_SUITE_P(All, OpCases, testing::ValuesIn(all_op_cases()), [](const auto& info) {
  std::string name = info.param.name;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

}  // namespace
}  // namespace convoy
