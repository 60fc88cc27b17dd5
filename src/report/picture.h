// A drawing of lines, areas, text and photos that is saved as PNG or SVG.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "data/image.h"

namespace convoy {

// x to the right, y downwards, in pixels of the SVG.
struct Point {
  double x = 0;
  double y = 0;
};

struct Rect {
  double left = 0;
  double top = 0;
  double width = 0;
  double height = 0;

  double right() const { return left + width; }
  double bottom() const { return top + height; }
};

// sRGB, each in [0, 1].
struct Color {
  double red = 0;
  double green = 0;
  double blue = 0;
};

// 0xRRGGBB.
constexpr Color rgb(uint32_t hex) {
  return {((hex >> 16) & 255) / 255.0, ((hex >> 8) & 255) / 255.0, (hex & 255) / 255.0};
}

inline constexpr Color kWhite = rgb(0xFFFFFF);
inline constexpr Color kInk = rgb(0x1F2933);       // text
inline constexpr Color kFaintInk = rgb(0x52606D);  // text of less weight
inline constexpr Color kRule = rgb(0xDDE2E8);      // grid lines

struct TextStyle {
  // Which point of the text is put at the given one.
  enum class Anchor : uint8_t { left, center, right };

  double size = 12;  // of the font, in pixels
  Anchor anchor = Anchor::left;
  Color color = kInk;
  bool bold = false;
  double angle = 0;  // degrees, clockwise, about the given point
};

// Throws UsageError unless the name ends in .png or .svg: before the work whose picture it is to take.
void check_picture_name(const std::filesystem::path& path);

class Picture {
 public:
  // Sizes are rounded up to whole pixels.
  Picture(double width, double height, Color background = kWhite);
  ~Picture();
  Picture(Picture&&) noexcept;
  Picture& operator=(Picture&&) noexcept;

  double width() const { return width_; }
  double height() const { return height_; }

  // Joined by straight lines; with dashes `dash` long where that is positive.
  void line(std::span<const Point> points, Color color, double line_width, double dash = 0);
  void dot(Point center, double radius, Color color);
  void fill(const Rect& rect, Color color, double opacity = 1);
  void outline(const Rect& rect, Color color, double line_width);
  // One line of text, half its height above `at` and half below. Bytes that are not UTF-8 are drawn as '?'.
  void text(std::string_view text, Point at, const TextStyle& style);
  double text_width(std::string_view text, const TextStyle& style) const;
  // Fills `rect`; an image that is enlarged keeps its pixels visible.
  void image(const ImageView& image, const Rect& rect);

  // The format is that of the name's ending, png or svg; a PNG has `png_scale` times the picture's pixels on each side.
  // Atomic. Throws Error when the file cannot be written.
  void save(const std::filesystem::path& path, double png_scale = 1) const;

 private:
  struct Canvas;

  double width_;
  double height_;
  std::unique_ptr<Canvas> canvas_;
};

// Saves <stem>.png, with twice the pixels on each side for dense screens, and <stem>.svg.
void save_png_and_svg(const Picture& picture, const std::filesystem::path& stem);

}  // namespace convoy
