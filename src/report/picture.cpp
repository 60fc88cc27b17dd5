#include "report/picture.h"

#include <cairo-svg.h>
#include <cairo.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <string>
#include <vector>

#include "convoy/error.h"
#include "core/text.h"
#include "data/resize.h"
#include "formats/atomic_file.h"

namespace convoy {
namespace {

struct DestroySurface {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};
using Surface = std::unique_ptr<cairo_surface_t, DestroySurface>;

struct DestroyContext {
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};
using Context = std::unique_ptr<cairo_t, DestroyContext>;

// Of an image, in pixels: cairo draws nothing, without a word, where a side is near 32767, and refuses longer ones.
constexpr int kLargestSide = 16384;

void set_color(cairo_t* context, Color color, double opacity = 1) {
  cairo_set_source_rgba(context, color.red, color.green, color.blue, opacity);
}

void set_font(cairo_t* context, const TextStyle& style) {
  cairo_select_font_face(context, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                         style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(context, style.size);
}

cairo_status_t append_bytes(void* target, const unsigned char* data, unsigned length) {
  static_cast<std::string*>(target)->append(reinterpret_cast<const char*>(data), length);
  return CAIRO_STATUS_SUCCESS;
}

void require(cairo_status_t status, const std::filesystem::path& path) {
  if (status != CAIRO_STATUS_SUCCESS) {
    throw Error(fmt::format("{}: cannot draw the picture: {}", path.string(), cairo_status_to_string(status)));
  }
}

}  // namespace

// What is drawn, to be drawn again at any scale. (cairo's own recordings leak when they are played twice.)
struct Picture::Canvas {
  using Stroke = std::function<void(cairo_t*)>;

  Canvas() : nothing(cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1)), ruler(painter(nothing.get())) {}

  // Unhinted text has the same width at every scale.
  static Context painter(cairo_surface_t* target) {
    Context context(cairo_create(target));
    cairo_font_options_t* options = cairo_font_options_create();
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_set_font_options(context.get(), options);
    cairo_font_options_destroy(options);
    return context;
  }

  // Draws all on `target`, enlarged by `scale`.
  cairo_status_t play(cairo_surface_t* target, double scale) const {
    const Context context = painter(target);
    cairo_scale(context.get(), scale, scale);
    for (const Stroke& stroke : strokes) {
      cairo_save(context.get());
      cairo_new_path(context.get());  // text leaves the path at its end
      stroke(context.get());
      cairo_restore(context.get());
    }
    return cairo_status(context.get());
  }

  std::vector<Stroke> strokes;
  Surface nothing;
  Context ruler;  // measures text
};

Picture::Picture(double width, double height, Color background)
    : width_(std::ceil(width)), height_(std::ceil(height)), canvas_(std::make_unique<Canvas>()) {
  fill({0, 0, width_, height_}, background);
}

Picture::~Picture() = default;
Picture::Picture(Picture&&) noexcept = default;
Picture& Picture::operator=(Picture&&) noexcept = default;

void Picture::line(std::span<const Point> points, Color color, double line_width, double dash) {
  canvas_->strokes.emplace_back(
      [points = std::vector(points.begin(), points.end()), color, line_width, dash](cairo_t* context) {
        cairo_set_dash(context, &dash, dash > 0 ? 1 : 0, 0);
        cairo_set_line_width(context, line_width);
        cairo_set_line_join(context, CAIRO_LINE_JOIN_ROUND);
        cairo_set_line_cap(context, dash > 0 ? CAIRO_LINE_CAP_BUTT : CAIRO_LINE_CAP_ROUND);
        for (const Point& point : points) cairo_line_to(context, point.x, point.y);
        set_color(context, color);
        cairo_stroke(context);
      });
}

void Picture::dot(Point center, double radius, Color color) {
  canvas_->strokes.emplace_back([center, radius, color](cairo_t* context) {
    cairo_arc(context, center.x, center.y, radius, 0, 2 * std::numbers::pi);
    set_color(context, color);
    cairo_fill(context);
  });
}

void Picture::fill(const Rect& rect, Color color, double opacity) {
  canvas_->strokes.emplace_back([rect, color, opacity](cairo_t* context) {
    cairo_rectangle(context, rect.left, rect.top, rect.width, rect.height);
    set_color(context, color, opacity);
    cairo_fill(context);
  });
}

void Picture::outline(const Rect& rect, Color color, double line_width) {
  canvas_->strokes.emplace_back([rect, color, line_width](cairo_t* context) {
    cairo_set_line_width(context, line_width);
    cairo_rectangle(context, rect.left, rect.top, rect.width, rect.height);
    set_color(context, color);
    cairo_stroke(context);
  });
}

void Picture::text(std::string_view text, Point at, const TextStyle& style) {
  const double width = text_width(text, style);
  double left = 0;
  if (style.anchor == TextStyle::Anchor::center) left = -width / 2;
  if (style.anchor == TextStyle::Anchor::right) left = -width;
  canvas_->strokes.emplace_back([text = to_utf8(text), at, style, left](cairo_t* context) {
    // Half the height of capitals, which is 0.72 of the size in most fonts, lies above the middle.
    constexpr double kHalfCapital = 0.36;
    set_font(context, style);
    cairo_translate(context, at.x, at.y);
    cairo_rotate(context, style.angle * std::numbers::pi / 180);
    cairo_move_to(context, left, kHalfCapital * style.size);
    set_color(context, style.color);
    cairo_show_text(context, text.c_str());
  });
}

double Picture::text_width(std::string_view text, const TextStyle& style) const {
  cairo_t* context = canvas_->ruler.get();
  set_font(context, style);
  cairo_text_extents_t extents;
  cairo_text_extents(context, to_utf8(text).c_str(), &extents);
  return extents.x_advance;
}

void Picture::image(const ImageView& image, const Rect& rect) {
  if (const int side = std::max(image.width, image.height); side > kLargestSide) {
    const auto shrunk = [&](int length) {
      return std::max(1, static_cast<int>(int64_t{length} * kLargestSide / side));
    };
    this->image(resize(image, shrunk(image.width), shrunk(image.height), Interpolation::bilinear).view(), rect);
    return;
  }
  const std::shared_ptr<cairo_surface_t> surface(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, image.width, image.height), DestroySurface());
  unsigned char* pixels = cairo_image_surface_get_data(surface.get());
  if (pixels == nullptr) {
    throw Error(fmt::format("a picture cannot take in an image of {}x{} pixels: {}", image.width, image.height,
                            cairo_status_to_string(cairo_surface_status(surface.get()))));
  }
  const int stride = cairo_image_surface_get_stride(surface.get());
  for (int y = 0; y < image.height; ++y) {
    const uint8_t* from = image.row(y);
    auto* to = reinterpret_cast<uint32_t*>(pixels + static_cast<ptrdiff_t>(y) * stride);
    for (int x = 0; x < image.width; ++x, from += 3) {
      to[x] = static_cast<uint32_t>(from[0] << 16 | from[1] << 8 | from[2]);
    }
  }
  cairo_surface_mark_dirty(surface.get());
  canvas_->strokes.emplace_back([surface, rect, width = image.width, height = image.height](cairo_t* context) {
    cairo_rectangle(context, rect.left, rect.top, rect.width, rect.height);
    cairo_clip(context);
    cairo_translate(context, rect.left, rect.top);
    cairo_scale(context, rect.width / width, rect.height / height);
    cairo_set_source_surface(context, surface.get(), 0, 0);
    cairo_pattern_t* pattern = cairo_get_source(context);
    cairo_pattern_set_filter(pattern, rect.width >= width ? CAIRO_FILTER_NEAREST : CAIRO_FILTER_GOOD);
    cairo_pattern_set_extend(pattern, CAIRO_EXTEND_PAD);
    cairo_paint(context);
  });
}

void check_picture_name(const std::filesystem::path& path) {
  if (path.extension() == ".svg" || path.extension() == ".png") return;
  throw UsageError(fmt::format("{}: expected a name that ends in .png or .svg", path.string()));
}

void Picture::save(const std::filesystem::path& path, double png_scale) const {
  check_picture_name(path);
  std::string bytes;
  if (path.extension() == ".svg") {
    const Surface target(cairo_svg_surface_create_for_stream(append_bytes, &bytes, width_, height_));
    cairo_svg_surface_set_document_unit(target.get(), CAIRO_SVG_UNIT_PX);
    require(canvas_->play(target.get(), 1), path);
    cairo_surface_finish(target.get());
    require(cairo_surface_status(target.get()), path);
  } else {
    const Surface target(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(std::ceil(width_ * png_scale)),
                                                    static_cast<int>(std::ceil(height_ * png_scale))));
    require(canvas_->play(target.get(), png_scale), path);
    require(cairo_surface_status(target.get()), path);
    require(cairo_surface_write_to_png_stream(target.get(), append_bytes, &bytes), path);
  }
  write_file_atomically(path, bytes);
}

void save_png_and_svg(const Picture& picture, const std::filesystem::path& stem) {
  picture.save(stem.string() + ".png", 2);
  picture.save(stem.string() + ".svg");
}

}  // namespace convoy
