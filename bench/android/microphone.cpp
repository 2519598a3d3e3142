#include "microphone.h"

#include <chrono>
#include <cstdint>
#include <vector>

#include <dlfcn.h>

#include "lines.h"

namespace kilohear {

namespace {

// Names and values: aaudio/AAudio.h, Android's NDK, API level 26.
constexpr int32_t kInput = 1;
constexpr int32_t kInt16 = 1;
constexpr int64_t kTimeoutNs = 1'000'000'000;

template <typename Function>
Function find(void* library, const char* name) {
  void* symbol = dlsym(library, name);
  if (symbol == nullptr) throw Failure{std::string("libaaudio.so lacks ") + name};
  return reinterpret_cast<Function>(symbol);
}

}  // namespace

Heard listen(double seconds, int rate_hz) {
  void* library = dlopen("libaaudio.so", RTLD_NOW);
  if (library == nullptr) {
    throw Failure{"no microphone: libaaudio.so isn't here, which Android has from 8.0 on"};
  }
  const auto text = find<const char* (*)(int32_t)>(library, "AAudio_convertResultToText");
  const auto require = [&](const char* what, int32_t result) {
    if (result < 0) throw Failure{std::string("the microphone: ") + what + ": " + text(result)};
    return result;
  };

  void* builder = nullptr;
  void* stream = nullptr;
  require("a stream can't be asked for",
          find<int32_t (*)(void**)>(library, "AAudio_createStreamBuilder")(&builder));
  using Setter = void (*)(void*, int32_t);
  find<Setter>(library, "AAudioStreamBuilder_setDirection")(builder, kInput);
  find<Setter>(library, "AAudioStreamBuilder_setFormat")(builder, kInt16);
  find<Setter>(library, "AAudioStreamBuilder_setChannelCount")(builder, 1);
  find<Setter>(library, "AAudioStreamBuilder_setSampleRate")(builder, rate_hz);
  const int32_t opened =
      find<int32_t (*)(void*, void**)>(library, "AAudioStreamBuilder_openStream")(builder, &stream);
  find<int32_t (*)(void*)>(library, "AAudioStreamBuilder_delete")(builder);
  require("it isn't granted", opened);

  using Call = int32_t (*)(void*);
  Heard heard;
  try {
    require("it doesn't start", find<Call>(library, "AAudioStream_requestStart")(stream));
    heard.rate_hz = find<Call>(library, "AAudioStream_getSampleRate")(stream);
    const auto read =
        find<int32_t (*)(void*, void*, int32_t, int64_t)>(library, "AAudioStream_read");
    std::vector<int16_t> block(heard.rate_hz / 10);
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < end) {
      heard.frames += require("it stopped", read(stream, block.data(),
                                                 static_cast<int32_t>(block.size()), kTimeoutNs));
    }
  } catch (...) {
    find<Call>(library, "AAudioStream_close")(stream);
    throw;
  }
  find<Call>(library, "AAudioStream_close")(stream);
  return heard;
}

}  // namespace kilohear
