// Charts on a picture: axes with ticks, curves and their legend, a colour scale.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/picture.h"

namespace convoy {

struct Range {
  double low = 0;
  double high = 1;
};

// Round numbers from the last one not above range.low to the first not below range.high: 1, 2 or 5 times a power of ten
// apart, and about `intervals` such steps. A low end that is not within +-1e300 is taken for 0, and a range that is
// narrower than 1e-300 or ends above 1e300 for one that only begins at its low end.
std::vector<double> round_ticks(Range range, int intervals);

// The number as an axis shows it beside its neighbours: "0.25", "1e-05".
std::string tick_label(double value);

// A rectangle with a scale along each side.
class Axes {
 public:
  Axes(Picture& picture, const Rect& plot, Range x, Range y) : picture_(picture), plot_(plot), x_(x), y_(y) {}

  Point at(double x, double y) const;
  // Where two points of the data span a rectangle.
  Rect between(double x0, double y0, double x1, double y1) const;
  // Grid lines with their numbers outside the plot.
  void draw_x_ticks(const std::vector<double>& ticks, bool decades = false) const;
  void draw_y_ticks(const std::vector<double>& ticks) const;
  void draw_labels(std::string_view title, std::string_view x_label, std::string_view y_label) const;

 private:
  Picture& picture_;
  Rect plot_;
  Range x_;
  Range y_;
};

struct Curve {
  std::string name;
  std::vector<Point> points;  // of the data; those that are not finite are left out
  Color color;
  double dash = 0;
};

// The look of the curve of number `index`: colours that people with any colour vision tell apart (Okabe and Ito,
// without the yellow that white swallows), then the same with dashes.
Color curve_color(size_t index);
double curve_dash(size_t index);

struct CurveChart {
  std::string title;
  std::string x_label;
  std::vector<Curve> curves;
  bool decades = false;  // x is a decimal logarithm: its ticks show the powers of ten
  bool clipped = false;  // values far above the others are cut off, and the greatest is written at the top
};

// The greatest value that is not far above the others. Outliers are a third of the values at most, and the least of
// them is more than ten times the next lower value. -infinity without a finite value.
double clip_level(const std::vector<Curve>& curves);

// The chart within `area`, its numbers and labels included. Without a single finite point it says so.
void draw_curves(Picture& picture, const Rect& area, const CurveChart& chart);

// The names of the curves that have points beside samples of their lines, in as many lines as `width` asks for. Returns
// its height.
double draw_legend(Picture& picture, Point top_left, double width, const std::vector<Curve>& curves);
double legend_height(const Picture& picture, double width, const std::vector<Curve>& curves);

// Light to dark blue for a share in [0, 1] (ColorBrewer's Blues).
Color shade(double share);

// The text, its end replaced by an ellipsis where it is wider than `width`.
std::string shortened(const Picture& picture, std::string_view text, const TextStyle& style, double width);

}  // namespace convoy
