// What tools/compare_readers.py compares: reads lines "IN<tab>OUT" from standard input, decodes each IN into a PPM file
// OUT, and prints a line for each: "read", "damaged", "unsupported" or "refused", a tab, and what is wrong.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

#include "convoy/error.h"
#include "data/image.h"

namespace convoy {
namespace {

void write_ppm(const Image& image, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  file << "P6 " << image.width() << ' ' << image.height() << " 255\n";
  file.write(reinterpret_cast<const char*>(image.row(0)), static_cast<std::streamsize>(image.bytes()));
  if (!file.flush()) throw Error(fmt::format("{}: cannot be written", path));
}

std::string outcome(const std::string& in, const std::string& out) try {
  std::string damage;
  write_ppm(decode_image(read_file(in), in, {}, &damage), out);
  return damage.empty() ? "read\t" : "damaged\t" + damage;
} catch (const UnsupportedImage& error) {
  return fmt::format("unsupported\t{}", error.what());
} catch (const Error& error) {
  return fmt::format("refused\t{}", error.what());
}

}  // namespace
}  // namespace convoy

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    const size_t tab = line.find('\t');
    if (tab == std::string::npos) return 2;
    fmt::print("{}\n", convoy::outcome(line.substr(0, tab), line.substr(tab + 1)));
  }
  return 0;
}
