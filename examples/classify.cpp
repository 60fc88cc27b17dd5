// Classifies an image file, or the middle of a made-up camera frame, with a trained network.
#include <convoy/classifier.h>
#include <convoy/error.h>

#include <cstdint>
#include <cstdio>
#include <vector>

int main(int argc, char** argv) try {
  if (argc < 2) {
    std::fprintf(stderr, "usage: classify MODEL [IMAGE]\n");
    return 2;
  }
  convoy::Classifier classifier(argv[1], {.batch_size = 1});
  if (argc > 2) {
    for (const convoy::ImagePredictions& image : classifier.predict({argv[2]}, 1)) {
      if (!image.error.empty()) throw convoy::Error(image.error);
      std::printf("%s %.3f\n", image.classes[0].class_name.c_str(), image.classes[0].probability);
    }
    return 0;
  }
  // A frame as a camera or OpenCV has it: BGR, of which a part is looked at.
  constexpr int kWidth = 320, kHeight = 240;
  const std::vector<uint8_t> frame(3 * kWidth * kHeight, 128);
  const convoy::Pixels middle{.bytes = std::span(frame).subspan(3 * (60 * kWidth + 80)),
                              .width = 160,
                              .height = 120,
                              .format = convoy::Pixels::Format::bgr,
                              .stride = 3 * kWidth};
  for (const convoy::Prediction& prediction : classifier.classify(middle, 3)) {
    std::printf("%s %.3f\n", prediction.class_name.c_str(), prediction.probability);
  }
  return 0;
} catch (const convoy::Error& error) {
  std::fprintf(stderr, "classify: %s\n", error.what());
  return 1;
}
