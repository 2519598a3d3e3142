// A student in ExecuTorch, on one thread.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <executorch/extension/module/module.h>
#include <executorch/extension/threadpool/threadpool_guard.h>

namespace kilohear {

class Student {
 public:
  // Loads the method `forward` of a .pte file, which takes float32 (1, samples).
  explicit Student(const std::string& file);

  int64_t samples() const { return samples_; }

  // Classifies `samples()` numbers and returns what the file gives: probabilities (classes).
  std::vector<float> run(const float* waveform);

  // How long the last `run` spent inside `forward`, by the raw monotonic clock, ns.
  int64_t latency_ns() const { return latency_ns_; }

 private:
  executorch::extension::threadpool::NoThreadPoolGuard one_thread_;
  std::unique_ptr<executorch::extension::Module> module_;
  int64_t samples_ = 0;
  int64_t latency_ns_ = 0;
};

// The core with the highest clock that this process may use, where it now stays; -1: not pinned.
int pin_to_fastest_core();

// The most memory that this process has held, bytes (VmHWM); 0 where the system doesn't say.
int64_t peak_memory_bytes();

}  // namespace kilohear
