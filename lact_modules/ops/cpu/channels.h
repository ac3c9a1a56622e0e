// What is done to the channels of one frame, in float32, and its gradients.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>


// of torch.nn.functional.normalize, and of the mean square of a head
constexpr float EPSILON = 1e-12f, RMS_EPSILON = 1e-5f;

// Divisions by reciprocals, as of -ffast-math, make NaN of infinity: z is bounded.
inline float sigmoid(float z) {
  return 1.0f / (1.0f + std::exp(std::min(-z, 80.0f)));
}

inline void silu(float *y, int64_t size) {
#pragma omp simd
  for (int64_t n = 0; n < size; ++n) y[n] *= sigmoid(y[n]);
}

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

// Divide y by its norm, and give one over that.
inline float make_unit(float *y, int64_t size) {
  const float inverse = 1.0f / std::max(std::sqrt(product(y, y, size)), EPSILON);
#pragma omp simd
  for (int64_t n = 0; n < size; ++n) y[n] *= inverse;
  return inverse;
}

inline float inverse_rms(const float *y, int64_t size) {
  return 1.0f / std::sqrt(product(y, y, size) / size + RMS_EPSILON);
}

// In the place of the gradient of u = y / |y| that of y, of which u and the inverse norm
// are known.
inline void pull_from_unit(const float *u, float inverse, int64_t size, float *grad) {
  // a shorter vector is only scaled
  const float along = inverse * EPSILON >= 1.0f ? 0.0f : product(grad, u, size);
#pragma omp simd
  for (int64_t n = 0; n < size; ++n) grad[n] = (grad[n] - along * u[n]) * inverse;
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

// y = silu(a) * b
inline void open(const float *a, const float *b, int64_t size, float *y) {
#pragma omp simd
  for (int64_t n = 0; n < size; ++n) y[n] = a[n] * sigmoid(a[n]) * b[n];
}

// Gradients of a and b from that of y; they may stand in the place of a and b.
inline void reopen(const float *grad, const float *a, const float *b, int64_t size,
                   float *to_a, float *to_b) {
#pragma omp simd
  for (int64_t n = 0; n < size; ++n) {
    const float p = sigmoid(a[n]), value = b[n], opened = a[n] * p;
    to_a[n] = grad[n] * value * p * (1.0f + a[n] * (1.0f - p));
    to_b[n] = grad[n] * opened;
  }
}

// y = x / rms(x) * weight * silu(gate)
inline void join(const float *x, const float *weight, float gate, int64_t size,
                 float *y) {
  const float factor = gate * sigmoid(gate) * inverse_rms(x, size);
#pragma omp simd
  for (int64_t n = 0; n < size; ++n) y[n] = x[n] * weight[n] * factor;
}

// From the gradient of y that of x; that of weight is added, and that of gate given.
inline float disjoin(const float *grad, const float *x, const float *weight, float gate,
                     int64_t size, float *to_x, float *to_weight) {
  const float p = sigmoid(gate), opened = gate * p, inverse = inverse_rms(x, size);
  // to_x: what reaches the normalized head; along: how much of it is lost again
  float along = 0.0f;
#pragma omp simd reduction(+ : along)
  for (int64_t n = 0; n < size; ++n) {
    const float normal = x[n] * inverse;
    to_weight[n] += grad[n] * normal * opened;
    to_x[n] = grad[n] * weight[n];
    along += to_x[n] * normal;
  }
  const float lost = along / size;
#pragma omp simd
  for (int64_t n = 0; n < size; ++n)
    to_x[n] = (to_x[n] - x[n] * inverse * lost) * inverse * opened;
  return along * p * (1.0f + gate * (1.0f - p));
}
