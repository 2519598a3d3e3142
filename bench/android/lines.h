// What the runner says: a line of JSON at a time, on standard output.

#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace kilohear {

// What can go wrong, in words: the cause, the value, the next step.
struct Failure {
  std::string cause;
};

inline std::string quoted(const std::string& text) {
  std::string made = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') made += '\\';
    made += static_cast<unsigned char>(letter) < 0x20 ? ' ' : letter;
  }
  return made + '"';
}

class Line {
 public:
  Line& add(const char* key, const std::string& text) { return raw(key, quoted(text)); }
  Line& add(const char* key, int64_t number) { return raw(key, std::to_string(number)); }
  Line& add(const char* key, const std::vector<float>& numbers) {
    std::string made = "[";
    for (const float number : numbers) {
      char digits[32];
      // Nine digits give a float32 back bit for bit; JSON has no word for what isn't finite.
      std::snprintf(digits, sizeof digits, number - number == 0 ? "%.9g" : "null", number);
      made += (made.size() > 1 ? "," : "") + std::string(digits);
    }
    return raw(key, made + "]");
  }
  // Ends the line; what reads it may read it at once.
  void print() {
    std::printf("{%s}\n", members_.c_str());
    std::fflush(stdout);
  }

 private:
  Line& raw(const char* key, const std::string& value) {
    members_ += (members_.empty() ? "" : ",") + quoted(key) + ":" + value;
    return *this;
  }
  std::string members_;
};

}  // namespace kilohear
