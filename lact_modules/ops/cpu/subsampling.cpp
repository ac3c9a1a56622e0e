// What `subsampling.py` defines, in float32 on a CPU. Arrays are contiguous.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "channels.h"
#include "products.h"

namespace {

constexpr int64_t SIDE = 3, TAPS = SIDE * SIDE;

// Kernels of SIDE x SIDE and biases of LANES channels, of which `width` are there.
struct Kernels {
  Lanes taps[TAPS], bias;
  Kernels(const float *weight, const float *biases, int64_t first, int64_t width) {
    for (int64_t c = 0; c < LANES; ++c) {
      const bool there = c < width;
      bias[c] = there ? biases[first + c] : 0.0f;
      for (int64_t k = 0; k < TAPS; ++k)
        taps[k][c] = there ? weight[(first + c) * TAPS + k] : 0.0f;
    }
  }
};

// Frames of an utterance that hold its speech; 0 stands around them.
struct Bounds {
  int64_t start, stop;
  // of `frames` that are there
  Bounds(const int64_t *starts, const int64_t *stops, int64_t item, int64_t frames)
      : start(std::max<int64_t>(starts ? starts[item] : 0, 0)),
        stop(std::min(stops[item], frames)) {}
  bool hold(int64_t t) const { return t >= start && t < stop; }
};

// Write the depthwise convolution of frames, of which `produce(t, row)` gives one: bands
// of LANES channels. A zero stands on each side of them.
template <class Produce>
void convolve(Produce produce, const Kernels &kernels, Bounds bounds, int64_t bands,
              int64_t stride, int64_t outputs, int64_t channels, int64_t width,
              float *y) {
  const int64_t size = (bands + 2) * LANES, bands_left = (bands - 1) / stride + 1;
  std::vector<float> rows(SIDE * size, 0.0f);
  int64_t next = 0;
  for (int64_t u = 0; u < outputs; ++u) {
    const int64_t above = u * stride - 1;
    for (next = std::max(next, above); next < above + SIDE; ++next) {
      float *row = rows.data() + next % SIDE * size + LANES;
      if (bounds.hold(next))
        produce(next, row);
      else
        std::fill_n(row, bands * LANES, 0.0f);
    }
    const float *around[SIDE];
    for (int64_t i = 0; i < SIDE; ++i)
      around[i] = rows.data() + (above + i + SIDE) % SIDE * size;
    for (int64_t m = 0; m < bands_left; ++m) {
      Lanes sum = kernels.bias;
      for (int64_t k = 0; k < TAPS; ++k)
        sum += kernels.taps[k] *
               *(const Lanes *)(around[k / SIDE] + (m * stride + k % SIDE) * LANES);
      std::copy_n((const float *)&sum, width, y + (u * bands_left + m) * channels);
    }
  }
}

}  // namespace

extern "C" {

// y (batch, outputs, bands', channels): silu(x), of x (batch, frames, bands, channels),
// convolved; starts and stops (batch) are the bounds of x, of which starts may be null.
void depthwise_of_silu(const float *x, const float *weight, const float *bias,
                       const int64_t *starts, const int64_t *stops, float *y,
                       int64_t batch, int64_t frames, int64_t bands, int64_t channels,
                       int64_t stride, int64_t outputs, int64_t threads) {
  const int64_t panels = in_panels(channels), left = (bands - 1) / stride + 1;
#pragma omp parallel for collapse(2) num_threads(threads) if (threads > 1)
  for (int64_t item = 0; item < batch; ++item)
    for (int64_t panel = 0; panel < panels; ++panel) {
      const int64_t first = panel * LANES, width = std::min(LANES, channels - first);
      const float *from = x + item * frames * bands * channels + first;
      auto produce = [&](int64_t t, float *row) {
        for (int64_t m = 0; m < bands; ++m)
          std::copy_n(from + (t * bands + m) * channels, width, row + m * LANES);
        silu(row, bands * LANES);
      };
      convolve(produce, Kernels(weight, bias, first, width),
               Bounds(starts, stops, item, frames), bands, stride, outputs, channels,
               width, y + item * outputs * left * channels + first);
    }
}

// The same of x = a convolution of planes (batch, frames, bands), which have a zero on
// each side of both axes, by a kernel for each channel. Bounds are those of x.
void depthwise_of_first(const float *planes, const float *first_weight,
                        const float *first_bias, const float *weight, const float *bias,
                        const int64_t *starts, const int64_t *stops, float *y,
                        int64_t batch, int64_t frames, int64_t bands, int64_t channels,
                        int64_t first_stride, int64_t stride, int64_t outputs,
                        int64_t threads) {
  const int64_t panels = in_panels(channels), inner = (bands - SIDE) / first_stride + 1,
                left = (inner - 1) / stride + 1;
#pragma omp parallel for collapse(2) num_threads(threads) if (threads > 1)
  for (int64_t item = 0; item < batch; ++item)
    for (int64_t panel = 0; panel < panels; ++panel) {
      const int64_t first = panel * LANES, width = std::min(LANES, channels - first);
      const Kernels to_x(first_weight, first_bias, first, width);
      const float *from = planes + item * frames * bands;
      auto produce = [&](int64_t t, float *row) {
        for (int64_t m = 0; m < inner; ++m) {
          const float *corner = from + t * first_stride * bands + m * first_stride;
          Lanes sum = to_x.bias;
          for (int64_t k = 0; k < TAPS; ++k)
            sum += to_x.taps[k] * corner[k / SIDE * bands + k % SIDE];
          *(Lanes *)(row + m * LANES) = sum;
        }
        silu(row, inner * LANES);
      };
      convolve(produce, Kernels(weight, bias, first, width),
               Bounds(starts, stops, item, (frames - SIDE) / first_stride + 1), inner,
               stride, outputs, channels, width, y + item * outputs * left * channels + first);
    }
}
}
