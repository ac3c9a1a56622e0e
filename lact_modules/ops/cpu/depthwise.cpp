// What `depthwise.py` defines, and its gradients, in float32 on a CPU.
// Arrays are contiguous.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "products.h"

namespace {

// frames whose inputs a cache holds
constexpr int64_t SEGMENT = 512;
// outputs, or taps of a kernel, that are summed in registers
constexpr int64_t SUMS = 8;

// Some channels of a signal (frames, channels), which is 0 before and after it.
struct Columns {
  const float *data;
  int64_t frames, channels, first;
  int64_t width() const { return std::min(LANES, channels - first); }
};

// Copy frames start .. start + count into rows of LANES.
void pack(Columns from, int64_t start, int64_t count, float *to) {
  std::fill(to, to + count * LANES, 0.0f);
  const int64_t stop = std::min(start + count, from.frames), width = from.width();
  for (int64_t t = std::max<int64_t>(start, 0); t < stop; ++t)
    std::copy_n(from.data + t * from.channels + from.first, width,
                to + (t - start) * LANES);
}

// sum[i] += sum_j fixed[j] * moved[i + j], for N rows from i = 0
template <int N>
inline void correlate(const float *fixed, const float *moved, int64_t count,
                      float *result) {
  Lanes sum[N];
  for (int i = 0; i < N; ++i) sum[i] = *(const Lanes *)(result + i * LANES);
  for (int64_t j = 0; j < count; ++j) {
    const Lanes factor = *(const Lanes *)(fixed + j * LANES);
    for (int i = 0; i < N; ++i)
      sum[i] += factor * *(const Lanes *)(moved + (i + j) * LANES);
  }
  for (int i = 0; i < N; ++i) *(Lanes *)(result + i * LANES) = sum[i];
}

inline void correlate_all(const float *fixed, const float *moved, int64_t count,
                          int64_t rows, float *result) {
  int64_t i = 0;
  for (; i + SUMS <= rows; i += SUMS)
    correlate<SUMS>(fixed, moved + i * LANES, count, result + i * LANES);
  for (; i < rows; ++i)
    correlate<1>(fixed, moved + i * LANES, count, result + i * LANES);
}

}  // namespace

extern "C" {

// y[b, t, c] = bias[c] + sum_k weight[c, k] x[b, t + k - left, c]
void depthwise_forward(const float *x, const float *weight, const float *bias, float *y,
                       int64_t batch, int64_t frames, int64_t channels, int64_t taps,
                       int64_t left, int64_t outputs, int64_t threads) {
  const int64_t tiles = in_panels(channels), segments = (outputs + SEGMENT - 1) / SEGMENT;
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    std::vector<float> kernel(taps * LANES), input((SEGMENT + taps) * LANES),
        sums(SEGMENT * LANES);
#pragma omp for collapse(3)
    for (int64_t tile = 0; tile < tiles; ++tile)
      for (int64_t item = 0; item < batch; ++item)
        for (int64_t segment = 0; segment < segments; ++segment) {
          const int64_t start = segment * SEGMENT, first = tile * LANES;
          const int64_t count = std::min(SEGMENT, outputs - start);
          const Columns columns{x + item * frames * channels, frames, channels, first};
          const int64_t width = columns.width();
          pack(columns, start - left, count + taps - 1, input.data());
          for (int64_t k = 0; k < taps; ++k)
            for (int64_t c = 0; c < width; ++c)
              kernel[k * LANES + c] = weight[(first + c) * taps + k];
          for (int64_t t = 0; t < count; ++t)
            for (int64_t c = 0; c < width; ++c)
              sums[t * LANES + c] = bias ? bias[first + c] : 0.0f;
          correlate_all(kernel.data(), input.data(), taps, count, sums.data());
          float *out = y + (item * outputs + start) * channels + first;
          for (int64_t t = 0; t < count; ++t)
            std::copy_n(sums.data() + t * LANES, width, out + t * channels);
        }
  }
}

// to_weight[c, k] = sum_b sum_t grad[b, t, c] x[b, t + k - left, c]
void depthwise_weight(const float *x, const float *grad, float *to_weight, int64_t batch,
                      int64_t frames, int64_t channels, int64_t taps, int64_t left,
                      int64_t outputs, int64_t threads) {
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    std::vector<float> output(SEGMENT * LANES), input((SEGMENT + taps) * LANES),
        sums(taps * LANES);
#pragma omp for
    for (int64_t first = 0; first < channels; first += LANES) {
      std::fill(sums.begin(), sums.end(), 0.0f);
      const int64_t width = std::min(LANES, channels - first);
      for (int64_t item = 0; item < batch; ++item)
        for (int64_t start = 0; start < outputs; start += SEGMENT) {
          const int64_t count = std::min(SEGMENT, outputs - start);
          pack({x + item * frames * channels, frames, channels, first}, start - left,
               count + taps - 1, input.data());
          pack({grad + item * outputs * channels, outputs, channels, first}, start, count,
               output.data());
          correlate_all(output.data(), input.data(), count, taps, sums.data());
        }
      for (int64_t c = 0; c < width; ++c)
        for (int64_t k = 0; k < taps; ++k)
          to_weight[(first + c) * taps + k] = sums[k * LANES + c];
    }
  }
}
}
