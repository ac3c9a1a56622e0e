// What `heads.py` and `gate.py` define, and its gradients, in float32 on a CPU: functions
// that change each frame by itself, in one pass over memory. Arrays are contiguous.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "channels.h"

// x (batch, frames, stride) holds heads * size channels at the beginning of each frame;
// y is (batch, heads, frames, size). What is not wanted is null: scale and offset
// (heads * size) with the activation, cosine and sine (frames, size / 2).
extern "C" void heads_forward(const float *x, const float *scale, const float *offset,
                              const float *cosine, const float *sine, float *y,
                              int64_t batch, int64_t frames, int64_t stride,
                              int64_t heads, int64_t size, int64_t unit,
                              int64_t threads) {
  const int64_t half = size / 2;
  // heads of a frame stand together: the other way around memory is slow
#pragma omp parallel for num_threads(threads)
  for (int64_t row = 0; row < batch * frames; ++row) {
    const int64_t item = row / frames, t = row % frames;
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t channel = head * size;
      const float *in = x + row * stride + channel;
      float *out = y + ((item * heads + head) * frames + t) * size;
      if (scale)
        activate(in, scale + channel, offset + channel, size, out);
      else
        std::copy_n(in, size, out);
      if (unit) make_unit(out, size);
      if (cosine) turn(cosine + t * half, sine + t * half, half, 1.0f, out);
    }
  }
}

// grad (batch, heads, frames, size); grad_x has its frames `grad_stride` apart;
// grad_scale and grad_offset (batch, groups, heads * size), zero before, are for the
// caller to add: each is of the frames that one thread takes.
extern "C" void heads_backward(const float *grad, const float *x, const float *scale,
                               const float *offset, const float *cosine,
                               const float *sine, float *grad_x, float *grad_scale,
                               float *grad_offset, int64_t batch, int64_t frames,
                               int64_t stride, int64_t heads, int64_t size,
                               int64_t unit, int64_t grad_stride, int64_t groups,
                               int64_t threads) {
  const int64_t half = size / 2, width = heads * size;
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> y(size);
#pragma omp for
    for (int64_t group = 0; group < batch * groups; ++group) {
      const int64_t item = group / groups, part = group % groups;
      const int64_t end = frames * (part + 1) / groups;
      for (int64_t t = frames * part / groups; t < end; ++t) {
        const int64_t row = item * frames + t;
        for (int64_t head = 0; head < heads; ++head) {
          const int64_t channel = head * size;
          const float *in = x + row * stride + channel;
          float *g = grad_x + row * grad_stride + channel;
          std::copy_n(grad + ((item * heads + head) * frames + t) * size, size, g);
          if (cosine) turn(cosine + t * half, sine + t * half, half, -1.0f, g);
          if (unit) {
            if (scale)
              activate(in, scale + channel, offset + channel, size, y.data());
            else
              std::copy_n(in, size, y.data());
            const float inverse = make_unit(y.data(), size);
            pull_from_unit(y.data(), inverse, size, g);
          }
          if (scale)
            deactivate(in, scale + channel, offset + channel, size, g,
                       grad_scale + group * width + channel,
                       grad_offset + group * width + channel);
        }
      }
    }
  }
}

// y (rows, size) = silu(a) * b of x = [a, b] (rows, 2 * size).
extern "C" void gate_forward(const float *x, float *y, int64_t rows, int64_t size,
                             int64_t threads) {
#pragma omp parallel for num_threads(threads)
  for (int64_t row = 0; row < rows; ++row) {
    const float *a = x + 2 * row * size;
    open(a, a + size, size, y + row * size);
  }
}

extern "C" void gate_backward(const float *grad, const float *x, float *grad_x,
                              int64_t rows, int64_t size, int64_t threads) {
#pragma omp parallel for num_threads(threads)
  for (int64_t row = 0; row < rows; ++row) {
    const float *a = x + 2 * row * size;
    float *to = grad_x + 2 * row * size;
    reopen(grad + row * size, a, a + size, size, to, to + size);
  }
}

// y (batch, frames, heads * size) joins x (batch, heads, frames, size), each head
// divided by its root mean square, times weight (size), times silu(gate), which is
// (batch, frames, heads).
extern "C" void join_forward(const float *x, const float *weight, const float *gate,
                             float *y, int64_t batch, int64_t frames, int64_t heads,
                             int64_t size, int64_t threads) {
#pragma omp parallel for num_threads(threads)
  for (int64_t row = 0; row < batch * heads; ++row) {
    const int64_t item = row / heads, head = row % heads;
    for (int64_t t = 0; t < frames; ++t) {
      const int64_t at = (item * frames + t) * heads + head;
      join(x + (row * frames + t) * size, weight, gate[at], size, y + at * size);
    }
  }
}

// grad_weight (batch, heads, size), zero before, is for the caller to add.
extern "C" void join_backward(const float *grad, const float *x, const float *weight,
                              const float *gate, float *grad_x, float *grad_weight,
                              float *grad_gate, int64_t batch, int64_t frames,
                              int64_t heads, int64_t size, int64_t threads) {
#pragma omp parallel for num_threads(threads)
  for (int64_t row = 0; row < batch * heads; ++row) {
    const int64_t item = row / heads, head = row % heads;
    for (int64_t t = 0; t < frames; ++t) {
      const int64_t at = (item * frames + t) * heads + head, here = row * frames + t;
      grad_gate[at] = disjoin(grad + at * size, x + here * size, weight, gate[at], size,
                              grad_x + here * size, grad_weight + row * size);
    }
  }
}
