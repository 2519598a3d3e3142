// The runner: what the bench starts on a phone. A line of JSON for each thing that it has to say.
//
//   version                              what it was built from
//   infer MODEL WINDOWS [WARM_UP]        a line a window, timed around `forward` only
//   loop MODEL WINDOWS SECONDS           window after window, for a meter to watch
//   idle SECONDS                         nothing, for the same meter
//   listen SECONDS RATE                  the microphone on, nothing kept
//
// WINDOWS is a file of float32, little-endian, windows x samples, at the student's rate. What goes
// wrong is a line {"error": cause} and the exit status 1.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <thread>

#include "lines.h"
#include "microphone.h"
#include "student.h"

#ifndef KILOHEAR_RUNNER
#error "define KILOHEAR_RUNNER as the version that bench/kilohear_bench/android/build.py gives"
#endif
#ifdef __ANDROID__
#define KILOHEAR_SYSTEM "Android"
#else
#define KILOHEAR_SYSTEM "Linux"
#endif

namespace {

using kilohear::Failure;
using kilohear::Line;
using kilohear::Student;

double number(const char* text, const char* what) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  if (end == text || *end != '\0' || !(value >= 0)) {
    throw Failure{std::string(what) + " is '" + text + "'; give a number of 0 or more"};
  }
  return value;
}

std::vector<float> read_windows(const std::string& path, int64_t samples) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw Failure{"can't read " + path};
  const auto bytes = static_cast<int64_t>(file.tellg());
  const int64_t each = samples * static_cast<int64_t>(sizeof(float));
  if (bytes == 0 || bytes % each != 0) {
    throw Failure{path + " holds " + std::to_string(bytes) + " bytes; a window of this model is " +
                  std::to_string(each) + " bytes"};
  }
  std::vector<float> numbers(static_cast<size_t>(bytes / sizeof(float)));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(numbers.data()), bytes);
  if (!file) throw Failure{"can't read all of " + path};
  return numbers;
}

Line about() {
  Line line;
  line.add("runner", KILOHEAR_RUNNER).add("executorch", KILOHEAR_EXECUTORCH);
  line.add("system", KILOHEAR_SYSTEM);
  return line;
}

void infer(const std::string& model, const std::string& file, int warm_up) {
  const int core = kilohear::pin_to_fastest_core();
  Student student(model);
  const std::vector<float> windows = read_windows(file, student.samples());
  const auto count = static_cast<int64_t>(windows.size()) / student.samples();
  about().add("samples", student.samples()).add("windows", count).add("core", core).print();
  for (int i = 0; i < warm_up; ++i) student.run(windows.data());
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<float> outputs = student.run(windows.data() + i * student.samples());
    const auto best = std::max_element(outputs.begin(), outputs.end()) - outputs.begin();
    Line line;
    line.add("window", i).add("latency_ns", student.latency_ns());
    line.add("label", static_cast<int64_t>(best)).add("outputs", outputs).print();
  }
  Line().add("done", count).add("peak_memory_bytes", kilohear::peak_memory_bytes()).print();
}

void loop(const std::string& model, const std::string& file, double seconds) {
  const int core = kilohear::pin_to_fastest_core();
  Student student(model);
  const std::vector<float> windows = read_windows(file, student.samples());
  const auto size = static_cast<int64_t>(windows.size());
  student.run(windows.data());
  about().add("samples", student.samples()).add("core", core).print();
  const auto started = std::chrono::steady_clock::now();
  int64_t done = 0;
  std::chrono::nanoseconds elapsed{0};
  for (; elapsed < std::chrono::duration<double>(seconds); ++done) {
    student.run(windows.data() + done * student.samples() % size);
    elapsed = std::chrono::steady_clock::now() - started;
  }
  Line().add("windows", done).add("elapsed_ns", static_cast<int64_t>(elapsed.count())).print();
}

int run(int count, char** words) {
  const auto is = [&](const char* mode, int least, int most) {
    return count > least && count <= most + 1 && std::strcmp(words[1], mode) == 0;
  };
  if (is("version", 1, 1)) {
    about().print();
  } else if (is("infer", 3, 4)) {
    infer(words[2], words[3], count > 4 ? static_cast<int>(number(words[4], "WARM_UP")) : 0);
  } else if (is("loop", 4, 4)) {
    loop(words[2], words[3], number(words[4], "SECONDS"));
  } else if (is("idle", 2, 2)) {
    const double seconds = number(words[2], "SECONDS");
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    Line().add("elapsed_ns", static_cast<int64_t>(seconds * 1e9)).print();
  } else if (is("listen", 3, 3)) {
    const double seconds = number(words[2], "SECONDS");
    const auto heard = kilohear::listen(seconds, static_cast<int>(number(words[3], "RATE")));
    Line().add("rate_hz", heard.rate_hz).add("frames", heard.frames).print();
  } else {
    throw Failure{"usage: version | infer MODEL WINDOWS [WARM_UP] | loop MODEL WINDOWS SECONDS | "
                  "idle SECONDS | listen SECONDS RATE"};
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  try {
    return run(count, words);
  } catch (const Failure& failure) {
    Line().add("error", failure.cause).print();
  } catch (const std::exception& error) {
    Line().add("error", error.what()).print();
  }
  return 1;
}
