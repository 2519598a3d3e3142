// Android's microphone through AAudio, found at run time: the runner links where there is none.

#pragma once

#include <string>

namespace kilohear {

struct Heard {
  int rate_hz = 0;      // granted
  long long frames = 0; // read and overwritten
};

// Keeps the microphone open for `seconds`; every block overwrites the one before, nothing is kept.
// Throws Failure where there is no microphone or it isn't granted.
Heard listen(double seconds, int rate_hz);

}  // namespace kilohear
