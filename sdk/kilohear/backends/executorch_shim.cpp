// A C interface to ExecuTorch's C++ runtime, so that Python needs neither torch nor bindings.
//
// Compiled by executorch_shim.py against the headers and libraries of the `executorch` wheel. Every
// function that can fail returns nullptr, or a message that is valid until the thread's next call.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor_ptr_maker.h>
#include <executorch/runtime/platform/platform.h>

// The wheel has the thread pool's library but not its header.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  bool _unsafe_reset_threadpool(uint32_t threads);
  size_t get_thread_count() const;
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace {

using executorch::extension::Module;
using executorch::runtime::Error;

thread_local std::string logged;   // the runtime's last complaint
thread_local std::string message;  // what a failed call returns

void keep_log(et_timestamp_t, et_pal_log_level_t level, const char*, const char*, size_t,
              const char* text, size_t length) {
  if (level == kError || level == kFatal) logged.assign(text, length);
}

const char* failed(const std::string& what, Error error) {
  message = what + ": error " + std::to_string(static_cast<int>(error));
  if (!logged.empty()) message += ", " + logged;
  return message.c_str();
}

const char* failed(const std::string& what) {
  message = what;
  return message.c_str();
}

}  // namespace

extern "C" {

struct Student {
  std::unique_ptr<Module> module;
};

// Loads the method `forward` of a .pte file.
const char* kilohear_open(const char* file, uint32_t threads, Student** student) {
  static const bool quiet = executorch::runtime::register_pal(
      executorch::runtime::PalImpl::create(keep_log, __FILE__));
  (void)quiet;
  logged.clear();
  auto* pool = executorch::extension::threadpool::get_threadpool();
  if (pool != nullptr && pool->get_thread_count() != threads) {
    pool->_unsafe_reset_threadpool(threads);
  }
  auto module = std::make_unique<Module>(file, Module::LoadMode::File);
  // The default looks at the header alone: a damaged file would be read beyond its end.
  Error error = module->load(executorch::runtime::Program::Verification::InternalConsistency);
  if (error != Error::Ok) return failed("load", error);
  error = module->load_forward();
  if (error != Error::Ok) return failed("load_forward", error);
  *student = new Student{std::move(module)};
  return nullptr;
}

// Runs `forward` on float32 (1, samples) and copies its float32 output; `size` takes the room in
// `probabilities` and gives the numbers written, `columns` those of the last dimension.
const char* kilohear_run(Student* student, const float* waveform, int64_t samples,
                         float* probabilities, int64_t* size, int64_t* columns) {
  logged.clear();
  auto input = executorch::extension::from_blob(
      const_cast<float*>(waveform), {1, static_cast<executorch::aten::SizesType>(samples)});
  auto result = student->module->forward(input);
  if (!result.ok()) return failed("forward", result.error());
  if (result->size() != 1 || !result->at(0).isTensor()) {
    return failed("forward gives " + std::to_string(result->size()) + " values, not one tensor");
  }
  const auto& output = result->at(0).toTensor();
  if (output.scalar_type() != executorch::aten::ScalarType::Float) {
    return failed("forward gives numbers that aren't float32");
  }
  const int64_t numbers = output.numel();
  if (numbers > *size) return failed("forward gives " + std::to_string(numbers) + " numbers");
  const float* from = output.const_data_ptr<float>();
  std::copy(from, from + numbers, probabilities);
  *size = numbers;
  *columns = output.dim() > 0 ? output.size(output.dim() - 1) : 1;
  return nullptr;
}

uint32_t kilohear_threads() {
  auto* pool = executorch::extension::threadpool::get_threadpool();
  return pool == nullptr ? 1 : static_cast<uint32_t>(pool->get_thread_count());
}

void kilohear_close(Student* student) { delete student; }

}  // extern "C"
