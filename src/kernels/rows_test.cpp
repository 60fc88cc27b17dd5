#include "kernels/rows.h"

#include "convoy/bf16.h"
#include "kernels/testing.h"

namespace convoy::kernels {
namespace {

using testing::Guarded, testing::Placement;

// Element i of part `part`, any bytes.
template <class Element>
Element element(size_t part, int64_t i) {
  const uint64_t bits = (static_cast<uint64_t>(i) + 77 * part) * 2654435761U >> 8U;
  std::array<std::byte, sizeof(Element)> bytes;
  std::memcpy(bytes.data(), &bits, bytes.size());
  return std::bit_cast<Element>(bytes);
}

// Parts of such widths out of rows that are `gap` elements longer, to rows that have `rest` others, from `offset` on.
template <class Element>
void check(int64_t rows, const std::vector<int64_t>& widths, int64_t gap, int64_t offset, int64_t rest,
           Placement placement = Placement::unaligned) {
  SCOPED_TRACE(::testing::Message() << rows << " rows, gap " << gap << ", offset " << offset << " and " << rest
                                    << " others, widths " << ::testing::PrintToString(widths));
  std::vector<std::vector<Element>> inputs;
  std::vector<RowPart> parts;
  int64_t joined = 0;
  for (const int64_t width : widths) {
    std::vector<Element>& input = inputs.emplace_back(static_cast<size_t>(rows * (width + gap)));
    for (size_t i = 0; i < input.size(); ++i) input[i] = element<Element>(inputs.size(), static_cast<int64_t>(i));
    parts.push_back(RowPart::of(input.data() + gap, width + gap, width));
    joined += width;
  }
  const int64_t pitch = joined + rest;
  const Element untouched = element<Element>(0, 5);
  Guarded<Element> output(std::vector<Element>(static_cast<size_t>(rows * pitch), untouched), placement);
  row_kernels().join(rows, parts, reinterpret_cast<std::byte*>(output.data() + offset),
                     pitch * int64_t{sizeof(Element)});
  const auto same = [](const Element& a, const Element& b) { return std::memcmp(&a, &b, sizeof a) == 0; };
  const Element* next = output.data();
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t i = 0; i < offset; ++i) ASSERT_TRUE(same(*next++, untouched)) << row;
    for (size_t part = 0; part < widths.size(); ++part) {
      for (int64_t i = 0; i < widths[part]; ++i) {
        const int64_t at = row * (widths[part] + gap) + gap + i;
        ASSERT_TRUE(same(*next++, inputs[part][static_cast<size_t>(at)])) << row << ", " << part << ", " << i;
      }
    }
    for (int64_t i = offset; i < rest; ++i) ASSERT_TRUE(same(*next++, untouched)) << row;
  }
}

template <class Element>
void check_widths() {
  for (const int64_t width : {1, 3, 7, 8, 15, 16, 24, 31, 33, 64, 70, 100, 129}) {
    check<Element>(700, {width}, 0, 3, 5);
    check<Element>(700, {width}, 9, 0, 0);
    check<Element>(3, {width, 5, width + 1}, 9, 7, 7);
  }
  check<Element>(0, {64}, 0, 0, 0);
  // Streamed, the last rows, which make no whole lines, excepted; and one that is too long.
  for (const Placement placement : {Placement::aligned, Placement::unaligned}) {
    check<Element>(70001, {16, 48, 17}, 0, 0, 0, placement);
    check<Element>(70001, {64}, 64, 0, 0, placement);
    check<Element>(130, {33000, 7}, 0, 0, 0, placement);
  }
}

TEST(Rows, JoinsFloats) { check_widths<float>(); }
TEST(Rows, JoinsBrainFloats) { check_widths<Bf16>(); }
TEST(Rows, JoinsBytes) { check_widths<uint8_t>(); }

}  // namespace
}  // namespace convoy::kernels
