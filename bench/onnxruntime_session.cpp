// One image through an ONNX model by ONNX Runtime, for bench/first_answers: a C++ program as its users would write one.
//
//     g++ -O2 -I INCLUDE bench/onnxruntime_session.cpp WHEEL/onnxruntime/capi/libonnxruntime.so.VERSION -o session
//
// INCLUDE has onnxruntime_c_api.h, of a release of ONNX Runtime; WHEEL is where pip has installed onnxruntime.
#include <onnxruntime_c_api.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

const OrtApi* api = nullptr;

void check(OrtStatus* status) {
  if (status == nullptr) return;
  std::fprintf(stderr, "%s\n", api->GetErrorMessage(status));
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s MODEL.onnx SIZE THREADS\n", argv[0]);
    return 2;
  }
  api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  OrtEnv* env = nullptr;
  OrtSessionOptions* options = nullptr;
  OrtSession* session = nullptr;
  check(api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "session", &env));
  check(api->CreateSessionOptions(&options));
  check(api->SetIntraOpNumThreads(options, std::atoi(argv[3])));
  check(api->CreateSession(env, argv[1], options, &session));
  const int64_t side = std::atoi(argv[2]), shape[] = {1, 3, side, side};
  std::vector<float> image(static_cast<size_t>(3 * side * side), 0.5F);
  OrtMemoryInfo* info = nullptr;
  OrtValue *input = nullptr, *output = nullptr;
  check(api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &info));
  check(api->CreateTensorWithDataAsOrtValue(info, image.data(), image.size() * sizeof(float), shape, 4,
                                            ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &input));
  const char *inputs[] = {"images"}, *outputs[] = {"logits"};
  check(api->Run(session, nullptr, inputs, &input, 1, outputs, 1, &output));
  return 0;
}
