// Discrete Fourier transforms of 8 to 32 points over vectors: every lane is a transform of its own.
//
// Written with the compilers' vector types: one text gives AVX-512 (16 lanes), AVX2 (8) and portable (4) code, for
// everything here is inlined into a function that says for which processor it is compiled.
// X[k] = Σ x[n] exp(−2πi nk / N); the inverse (unscaled) is the same with real and imaginary parts exchanged on both
// sides.

#pragma once
#include <utility>

#include "common/lanes.h"

#define CPM_INLINE __attribute__((always_inline)) inline
#define CPM_INLINE_LAMBDA __attribute__((always_inline))

template <int L>
struct Complex {
    Vector<L> re, im;
};

template <int L>
CPM_INLINE Vector<L> load(const float* from) {
    return *(const Vector<L>*)from;
}

template <int L>
CPM_INLINE void store(float* to, const Vector<L>& value) {
    *(Vector<L>*)to = value;
}

template <int L>
CPM_INLINE Complex<L> operator+(const Complex<L>& a, const Complex<L>& b) {
    return {a.re + b.re, a.im + b.im};
}

template <int L>
CPM_INLINE Complex<L> operator-(const Complex<L>& a, const Complex<L>& b) {
    return {a.re - b.re, a.im - b.im};
}

template <class Body, int... I>
CPM_INLINE void repeat_each(const Body& body, std::integer_sequence<int, I...>) {
    (body(std::integral_constant<int, I>()), ...);
}

// body(0) … body(N − 1) with constants, so that arrays they index are registers.
template <int N, class Body>
CPM_INLINE void repeat(const Body& body) {
    repeat_each(body, std::make_integer_sequence<int, N>());
}

// z (cosine − i sine).
template <int L>
CPM_INLINE Complex<L> turned(const Complex<L>& z, float cosine, float sine) {
    return {z.re * cosine + z.im * sine, z.im * cosine - z.re * sine};
}

// cos(2π numerator / denominator) by its series about the nearest quarter turn: <cmath> has no constexpr one.
constexpr double cosine_of_turn(int numerator, int denominator) {
    numerator = (numerator % denominator + denominator) % denominator;
    int quarter = (8 * numerator + denominator) / (2 * denominator);
    const double x = 6.283185307179586477 * (4 * numerator - quarter * denominator) / (4.0 * denominator);
    double term = quarter % 2 ? x : 1.0, sum = term;
    for (int i = quarter % 2 ? 2 : 1; i < 24; i += 2) sum += term *= -x * x / (i * (i + 1));
    return quarter == 1 || quarter == 2 ? -sum : sum;
}

constexpr double sine_of_turn(int numerator, int denominator) {
    return cosine_of_turn(4 * numerator - denominator, 4 * denominator);
}

template <int N>
struct Turns {
    float cosine[N] = {}, sine[N] = {};
    constexpr Turns() {
        for (int i = 0; i < N; i++) {
            cosine[i] = (float)cosine_of_turn(i, N);
            sine[i] = (float)sine_of_turn(i, N);
        }
    }
};

template <int N>
inline constexpr Turns<N> turns{};

// In registers, in place. Even counts are two transforms of half the size.
template <int N, int L>
struct Dft {
    static CPM_INLINE void run(Complex<L>* z) {
        static_assert(N % 2 == 0, "odd counts have their own");
        constexpr int M = N / 2;
        Complex<L> even[M], odd[M];
        repeat<M>([&](auto i) CPM_INLINE_LAMBDA { even[i] = z[2 * i], odd[i] = z[2 * i + 1]; });
        Dft<M, L>::run(even);
        Dft<M, L>::run(odd);
        repeat<M>([&](auto k) CPM_INLINE_LAMBDA {
            if constexpr (4 * k == N)
                odd[k] = {odd[k].im, -odd[k].re};
            else if constexpr (k > 0)
                odd[k] = turned<L>(odd[k], turns<N>.cosine[k], turns<N>.sine[k]);
            z[k] = even[k] + odd[k];
            z[k + M] = even[k] - odd[k];
        });
    }
};

template <int N, int L>
struct OddDft {
    static CPM_INLINE void run(Complex<L>* z) {
        constexpr int H = N / 2;
        const Complex<L> first = z[0];
        Complex<L> sum[H], difference[H];
        repeat<H>([&](auto l) CPM_INLINE_LAMBDA {
            sum[l] = z[1 + l] + z[N - 1 - l];
            difference[l] = z[1 + l] - z[N - 1 - l];
            z[0] = z[0] + sum[l];
        });
        repeat<H>([&](auto j) CPM_INLINE_LAMBDA {
            Complex<L> along = first, across = {};
            repeat<H>([&](auto l) CPM_INLINE_LAMBDA {
                constexpr float cosine = turns<N>.cosine[(j + 1) * (l + 1) % N];
                constexpr float sine = turns<N>.sine[(j + 1) * (l + 1) % N];
                along.re += sum[l].re * cosine;
                along.im += sum[l].im * cosine;
                across.re += difference[l].re * sine;
                across.im += difference[l].im * sine;
            });
            z[1 + j] = {along.re + across.im, along.im - across.re};
            z[N - 1 - j] = {along.re - across.im, along.im + across.re};
        });
    }
};

template <int L>
struct Dft<1, L> {
    static CPM_INLINE void run(Complex<L>*) {}
};

template <int L>
struct Dft<3, L> : OddDft<3, L> {};

template <int L>
struct Dft<5, L> : OddDft<5, L> {};

template <int L>
struct Dft<7, L> : OddDft<7, L> {};

// N = outer · inner, both small enough for registers.
template <int N>
struct Factors {
    static constexpr int outer = N == 8 ? 2 : N % 3 == 0 ? 3 : 4, inner = N / outer;
    static_assert(inner * outer == N && inner <= 8, "no transform of this size");
};

// load(n) gives x[n], store(k, X[k]) takes the result; X is stored after all of x has been loaded.
template <int N, int L, class Load, class Store>
CPM_INLINE void fft(const Load& load_point, const Store& store_point) {
    constexpr int A = Factors<N>::outer, B = Factors<N>::inner;
    alignas(64) Complex<L> between[N];
    for (int i = 0; i < A; i++) {
        Complex<L> z[B];
        repeat<B>([&](auto j) CPM_INLINE_LAMBDA { z[j] = load_point(A * j + i); });
        Dft<B, L>::run(z);
        repeat<B>([&](auto j) CPM_INLINE_LAMBDA {
            between[i * B + j] = j ? turned<L>(z[j], turns<N>.cosine[i * j], turns<N>.sine[i * j]) : z[0];
        });
    }
    for (int j = 0; j < B; j++) {
        Complex<L> z[A];
        repeat<A>([&](auto i) CPM_INLINE_LAMBDA { z[i] = between[i * B + j]; });
        Dft<A, L>::run(z);
        repeat<A>([&](auto i) CPM_INLINE_LAMBDA { store_point(j + B * i, z[i]); });
    }
}
