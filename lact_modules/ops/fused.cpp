// What `heads.py` and `gate.py` define, and its gradients, in float32 on a CPU: functions
// that change each frame by itself, in one pass over memory. Arrays are contiguous.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

// of torch.nn.functional.normalize, and of the mean square of a head
constexpr float EPSILON = 1e-12f, RMS_EPSILON = 1e-5f;

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

inline float inverse_rms(const float *y, int64_t size) {
  return 1.0f / std::sqrt(product(y, y, size) / size + RMS_EPSILON);
}

// In the place of the gradient of y / |y| that of y.
inline void pull_from_unit(const float *y, int64_t size, float *grad) {
  const float inverse = inverse_norm(y, size);
  // a shorter vector is only scaled
  const float along = inverse * EPSILON >= 1.0f
                          ? 0.0f
                          : product(grad, y, size) * inverse * inverse;
#pragma omp simd
  for (int64_t n = 0; n < size; ++n) grad[n] = (grad[n] - along * y[n]) * inverse;
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
      if (unit) {
        const float inverse = inverse_norm(out, size);
        for (int64_t n = 0; n < size; ++n) out[n] *= inverse;
      }
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
            const float *from = in;
            if (scale) {
              activate(in, scale + channel, offset + channel, size, y.data());
              from = y.data();
            }
            pull_from_unit(from, size, g);
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
    const float *a = x + 2 * row * size, *b = a + size;
    float *out = y + row * size;
#pragma omp simd
    for (int64_t n = 0; n < size; ++n) out[n] = a[n] * sigmoid(a[n]) * b[n];
  }
}

extern "C" void gate_backward(const float *grad, const float *x, float *grad_x,
                              int64_t rows, int64_t size, int64_t threads) {
#pragma omp parallel for num_threads(threads)
  for (int64_t row = 0; row < rows; ++row) {
    const float *a = x + 2 * row * size, *b = a + size, *g = grad + row * size;
    float *to_a = grad_x + 2 * row * size, *to_b = to_a + size;
#pragma omp simd
    for (int64_t n = 0; n < size; ++n) {
      const float p = sigmoid(a[n]);
      to_a[n] = g[n] * b[n] * p * (1.0f + a[n] * (1.0f - p));
      to_b[n] = g[n] * a[n] * p;
    }
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
      const float *in = x + (row * frames + t) * size;
      const int64_t at = (item * frames + t) * heads + head;
      float *out = y + at * size;
      const float opened = gate[at] * sigmoid(gate[at]);
      const float factor = opened * inverse_rms(in, size);
#pragma omp simd
      for (int64_t n = 0; n < size; ++n) out[n] = in[n] * weight[n] * factor;
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
    float *to_weight = grad_weight + row * size;
    for (int64_t t = 0; t < frames; ++t) {
      const float *in = x + (row * frames + t) * size;
      const int64_t at = (item * frames + t) * heads + head;
      const float *g = grad + at * size;
      float *out = grad_x + (row * frames + t) * size;
      const float p = sigmoid(gate[at]), opened = gate[at] * p;
      const float inverse = inverse_rms(in, size);
      // out: what reaches the normalized head; along: how much of it is lost again
      float along = 0.0f;
#pragma omp simd reduction(+ : along)
      for (int64_t n = 0; n < size; ++n) {
        const float normal = in[n] * inverse;
        to_weight[n] += g[n] * normal * opened;
        out[n] = g[n] * weight[n];
        along += out[n] * normal;
      }
      grad_gate[at] = along * p * (1.0f + gate[at] * (1.0f - p));
      along /= size;
#pragma omp simd
      for (int64_t n = 0; n < size; ++n)
        out[n] = (out[n] - in[n] * inverse * along) * inverse * opened;
    }
  }
}
