// Frames to heads, as `heads.py` defines it, and its gradients, in float32 on a CPU.
//
// x (batch, frames, stride) holds heads * size channels at the beginning of each frame;
// y is (batch, heads, frames, size). What is not wanted is null: scale and offset
// (heads * size) with the activation, cosine and sine (frames, size / 2).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

constexpr float EPSILON = 1e-12f;

inline float sigmoid(float z) { return 1.0f / (1.0f + std::exp(-z)); }

// y = silu(x * scale + offset)
inline void activate(const float *x, const float *scale, const float *offset,
                     int64_t size, float *y) {
#pragma omp simd
  for (int64_t n = 0; n < size; ++n) {
    const float z = x[n] * scale[n] + offset[n];
    y[n] = z * sigmoid(z);
  }
}

// In the place of the gradient of y that of x; those of scale and offset are added.
inline void deactivate(const float *x, const float *scale, const float *offset,
                       int64_t size, float *grad, float *to_scale, float *to_offset) {
#pragma omp simd
  for (int64_t n = 0; n < size; ++n) {
    const float z = x[n] * scale[n] + offset[n], p = sigmoid(z);
    const float from = grad[n] * p * (1.0f + z * (1.0f - p));
    to_scale[n] += from * x[n];
    to_offset[n] += from;
    grad[n] = from * scale[n];
  }
}

inline float product(const float *a, const float *b, int64_t size) {
  float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
  for (int64_t n = 0; n < size; ++n) sum += a[n] * b[n];
  return sum;
}

inline float inverse_norm(const float *y, int64_t size) {
  return 1.0f / std::max(std::sqrt(product(y, y, size)), EPSILON);
}

// Turn pairs of channels, which stand half of them apart; direction -1 turns back.
inline void turn(const float *cosine, const float *sine, int64_t half, float direction,
                 float *y) {
#pragma omp simd
  for (int64_t n = 0; n < half; ++n) {
    const float a = y[n], b = y[n + half], s = direction * sine[n];
    y[n] = a * cosine[n] - b * s;
    y[n + half] = b * cosine[n] + a * s;
  }
}

}  // namespace

extern "C" void heads_forward(const float *x, const float *scale, const float *offset,
                              const float *cosine, const float *sine, float *y,
                              int64_t batch, int64_t frames, int64_t stride,
                              int64_t heads, int64_t size, int64_t unit,
                              int64_t threads) {
  const int64_t half = size / 2;
#pragma omp parallel for num_threads(threads)
  for (int64_t row = 0; row < batch * heads; ++row) {
    const int64_t item = row / heads, channel = row % heads * size;
    for (int64_t t = 0; t < frames; ++t) {
      const float *in = x + (item * frames + t) * stride + channel;
      float *out = y + (row * frames + t) * size;
      if (scale)
        activate(in, scale + channel, offset + channel, size, out);
      else
        std::copy_n(in, size, out);
      if (unit) {
        const float inverse = inverse_norm(out, size);
        for (int64_t n = 0; n < size; ++n) out[n] *= inverse;
      }
      if (cosine) turn(cosine + t * half, sine + t * half, half, 1.0f, out);
    }
  }
}

// grad_x (batch, frames, heads * size); grad_scale and grad_offset (batch,
// heads * size), zero before, are for the caller to add.
extern "C" void heads_backward(const float *grad, const float *x, const float *scale,
                               const float *offset, const float *cosine,
                               const float *sine, float *grad_x, float *grad_scale,
                               float *grad_offset, int64_t batch, int64_t frames,
                               int64_t stride, int64_t heads, int64_t size,
                               int64_t unit, int64_t threads) {
  const int64_t half = size / 2, width = heads * size;
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> y(size);
#pragma omp for
    for (int64_t row = 0; row < batch * heads; ++row) {
      const int64_t item = row / heads, channel = row % heads * size;
      for (int64_t t = 0; t < frames; ++t) {
        const float *in = x + (item * frames + t) * stride + channel;
        float *g = grad_x + (item * frames + t) * width + channel;
        std::copy_n(grad + (row * frames + t) * size, size, g);
        if (cosine) turn(cosine + t * half, sine + t * half, half, -1.0f, g);
        if (unit) {
          const float *from = in;
          if (scale) {
            activate(in, scale + channel, offset + channel, size, y.data());
            from = y.data();
          }
          const float inverse = inverse_norm(from, size);
          // a shorter vector is only scaled
          const float along = inverse * EPSILON >= 1.0f
                                  ? 0.0f
                                  : product(g, from, size) * inverse * inverse;
          for (int64_t n = 0; n < size; ++n) g[n] = (g[n] - along * from[n]) * inverse;
        }
        if (scale)
          deactivate(in, scale + channel, offset + channel, size, g,
                     grad_scale + item * width + channel,
                     grad_offset + item * width + channel);
      }
    }
  }
}
