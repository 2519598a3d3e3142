#include "student.h"

#include <cstdio>
#include <fstream>

#include <sched.h>
#include <time.h>

#include <executorch/extension/tensor/tensor_ptr_maker.h>
#include <executorch/runtime/platform/platform.h>

#include "lines.h"

namespace kilohear {

namespace {

using executorch::extension::Module;
using executorch::runtime::Error;

std::string logged;  // the runtime's last complaint

void keep_log(et_timestamp_t, et_pal_log_level_t level, const char*, const char*, size_t,
              const char* text, size_t length) {
  if (level == kError || level == kFatal) logged.assign(text, length);
}

// Nothing else reads this clock: the stand-in's plugin tells these readings from ExecuTorch's own.
int64_t clock_ns() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC_RAW, &at);
  return static_cast<int64_t>(at.tv_sec) * 1'000'000'000 + at.tv_nsec;
}

[[noreturn]] void fail(const std::string& what, Error error) {
  throw Failure{what + ": error " + std::to_string(static_cast<int>(error)) +
                (logged.empty() ? "" : ", " + logged)};
}

}  // namespace

Student::Student(const std::string& file) {
  executorch::runtime::register_pal(executorch::runtime::PalImpl::create(keep_log, __FILE__));
  module_ = std::make_unique<Module>(file, Module::LoadMode::File);
  // The default looks at the header alone: a damaged file would be read beyond its end.
  Error error = module_->load(executorch::runtime::Program::Verification::InternalConsistency);
  if (error != Error::Ok) fail("can't load " + file, error);
  error = module_->load_forward();
  if (error != Error::Ok) fail("can't load forward of " + file, error);
  const auto about = module_->method_meta("forward");
  if (!about.ok()) fail("forward doesn't describe itself", about.error());
  const auto input = about->input_tensor_meta(0);
  if (!input.ok()) fail("forward takes no tensor", input.error());
  if (input->scalar_type() != executorch::aten::ScalarType::Float || input->sizes().size() != 2 ||
      input->sizes()[0] != 1) {
    throw Failure{"forward doesn't take float32 (1, samples); export the bundle again"};
  }
  samples_ = input->sizes()[1];
}

std::vector<float> Student::run(const float* waveform) {
  auto input = executorch::extension::from_blob(
      const_cast<float*>(waveform), {1, static_cast<executorch::aten::SizesType>(samples_)});
  const int64_t started_ns = clock_ns();
  const auto result = module_->forward(input);
  latency_ns_ = clock_ns() - started_ns;
  if (!result.ok()) fail("forward", result.error());
  if (result->size() != 1 || !result->at(0).isTensor() ||
      result->at(0).toTensor().scalar_type() != executorch::aten::ScalarType::Float) {
    throw Failure{"forward doesn't give one float32 tensor; export the bundle again"};
  }
  const auto& output = result->at(0).toTensor();
  const float* from = output.const_data_ptr<float>();
  return {from, from + output.numel()};
}

int pin_to_fastest_core() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return -1;
  int fastest = -1;
  int64_t highest = -1;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed)) continue;
    int64_t clock_khz = 0;
    std::ifstream("/sys/devices/system/cpu/cpu" + std::to_string(core) +
                  "/cpufreq/cpuinfo_max_freq") >>
        clock_khz;
    // Of equal ones the last: the first core takes most of a phone's interrupts.
    if (clock_khz >= highest) highest = clock_khz, fastest = core;
  }
  if (fastest < 0) return -1;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(fastest, &one);
  return sched_setaffinity(0, sizeof one, &one) == 0 ? fastest : -1;
}

int64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    long long kilobytes = 0;
    if (std::sscanf(line.c_str(), "VmHWM: %lld kB", &kilobytes) == 1) return kilobytes * 1024;
  }
  return 0;
}

}  // namespace kilohear
