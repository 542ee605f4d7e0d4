// Included last by a source whose point is speed and not Caffe's bits: what follows it may multiply and add at once,
// with one rounding, which the rest of the library does not.

#pragma once

#if defined(__clang__)
#pragma clang fp contract(fast)
#else
#pragma GCC optimize("fp-contract=fast")
#endif
