// What `dropout.py` defines, in float32 on a CPU. Arrays are contiguous.

#include <algorithm>
#include <cstdint>

namespace {

// elements that share a key
constexpr int64_t BLOCK = 4096;

// splitmix64 (Steele, Lea, Flood, OOPSLA 2014)
inline uint64_t mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Whether element n of a block stays, by a hash of 32 bits that vectors compute
// (lowbias32 of Wellons' hash-prospector) with keys between its steps.
inline bool stays(uint32_t n, uint32_t key, uint32_t other, uint32_t threshold) {
  uint32_t h = n * 0x9e3779b1u + key;
  h = (h ^ (h >> 16)) * 0x7feb352du + other;
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return (h ^ (h >> 16)) >= threshold;
}

}  // namespace

extern "C" {

// y[n] = x[n] / (1 - p) or 0, with p the threshold / 2^32
void dropout(const float *x, float *y, int64_t size, int64_t seed, int64_t threshold,
             int64_t threads) {
  const float scale = 4294967296.0 / (4294967296.0 - threshold);
  const uint32_t least = threshold;
#pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int64_t start = 0; start < size; start += BLOCK) {
    const uint64_t drawn = mix(mix(seed) + start);
    const uint32_t key = drawn, other = drawn >> 32;
    const int64_t count = std::min(BLOCK, size - start);
#pragma omp simd
    for (int64_t n = 0; n < count; ++n) {
      const float kept = scale * x[start + n];
      y[start + n] = stays(n, key, other, least) ? kept : 0.0f;
    }
  }
}
}
