// L floats that the compiler computes with at once, at any address.

#pragma once

template <int L>
struct Lanes {
    typedef float Vector __attribute__((vector_size(4 * L), aligned(4), may_alias));
};

template <int L>
using Vector = typename Lanes<L>::Vector;
