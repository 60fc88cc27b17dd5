#include "kernels/expand.h"

#include "kernels/dispatch.h"

CONVOY_DISPATCH(ExpandKernels, expand_kernels)

namespace convoy::kernels {

ExpandAxes expand_axes(const Shape& small, const Shape& large) {
  ExpandAxes axes;
  for (int i = 0; i < large.rank(); ++i) {
    if (large[i] == 1) continue;
    const int own = i - (large.rank() - small.rank());
    const bool repeated = own < 0 || small[own] == 1;
    if (axes.count > 0 && axes.axis[axes.count - 1].repeated == repeated) {
      axes.axis[axes.count - 1].extent *= large[i];
    } else {
      axes.axis[axes.count++] = {large[i], repeated};
    }
  }
  return axes;
}

}  // namespace convoy::kernels
