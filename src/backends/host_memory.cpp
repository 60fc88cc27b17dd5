#include "backends/host_memory.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace convoy {
namespace {

// The nearest that the type has.
template <class T>
T nearest(float x) {
  if constexpr (!std::is_integral_v<T>) {
    return T(x);
  } else {
    constexpr auto kLeast = static_cast<float>(std::numeric_limits<T>::min());
    constexpr auto kMost = static_cast<float>(std::numeric_limits<T>::max());
    return static_cast<T>(std::nearbyint(std::max(kLeast, std::min(kMost, x))));
  }
}

}  // namespace

void host_upload(std::span<const float> from, const View& to) {
  with_elements(to, [&](auto* elements) {
    using Element = std::remove_pointer_t<decltype(elements)>;
    std::ranges::transform(from, elements, nearest<Element>);
  });
}

void host_download(const View& from, std::span<float> to) {
  with_elements(from, [&](const auto* elements) {
    std::transform(elements, elements + to.size(), to.begin(), [](auto x) { return static_cast<float>(x); });
  });
}

}  // namespace convoy
