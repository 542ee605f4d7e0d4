#!/usr/bin/env bash
# The kernels' tests on a library with clang's sanitizers: tests/kernels/sanitize.sh {undefined,address,thread} [pytest…]
#
# undefined and address run tests/kernels; thread runs tests/whole/test_threads.py, which calls every function
# that shares work among threads and has no torch in its process, whose OpenMP the sanitizer cannot see into. It needs
# clang with its runtimes (Debian: clang libclang-rt-*-dev), and PYTHON with the packages of the tests.
set -euo pipefail
kind=$1
shift
cd "$(dirname "$0")/../.."
python=$(command -v "${PYTHON:-.venv/bin/python}")
compiler=${CLANG:-clang++}

package=build/sanitize/$kind/cpm_kernels
rm -rf "$package"
mkdir -p "$package"
for part in kernels/*; do
    case $part in *.so | */__pycache__) ;; *) ln -s "$PWD/$part" "$package/" ;; esac
done

case $kind in
undefined) checks=undefined,float-cast-overflow runtime=ubsan_standalone ;;
address) checks=address runtime=asan ;;
thread) checks=thread runtime= portable=-DCPM_X86=0 ;; # it does not watch vectors
*) echo "expected undefined, address or thread, found $kind" >&2; exit 2 ;;
esac

suffix=$("$python" -c 'import importlib.machinery; print(importlib.machinery.EXTENSION_SUFFIXES[0])')
flags="-std=c++17 -O1 -g -fPIC -fno-omit-frame-pointer -ffp-contract=off -fno-math-errno -fno-trapping-math"
flags+=" -DCPM_SOURCES=$("$python" kernels/sources.py)u"
newest=$(ls -t kernels/src/*/* | head -1)
objects=()
for source in kernels/src/*/*.cpp; do
    object=build/sanitize/$kind/$(echo "$source" | tr / .).o
    objects+=("$object")
    [ "$object" -nt "$newest" ] && continue
    # shellcheck disable=SC2086
    "$compiler" $flags ${portable-} -fsanitize="$checks" -Ikernels/src -c "$source" -o "$object"
done
linked=(-shared)
[ "$kind" = thread ] || linked+=(-fsanitize="$checks" -shared-libsan)
"$compiler" "${linked[@]}" "${objects[@]}" -ldl -o "$package/_host$suffix"

found=$PWD/build/sanitize/$kind/found
rm -f "$found".*
export UBSAN_OPTIONS=print_stacktrace=1:log_path=$found
export ASAN_OPTIONS=detect_leaks=0:halt_on_error=0:log_path=$found
export TSAN_OPTIONS=log_path=$found
export PYTHONPATH=$PWD:$PWD/build/sanitize/$kind${PYTHONPATH:+:$PYTHONPATH}

status=0
if [ "$kind" = thread ]; then
    # This runtime must be there first: in a Python of its own.
    config() { "$python" -c "import sys, sysconfig; print($1)"; }
    library=$(config 'sysconfig.get_config_var("LIBDIR")')
    echo 'extern "C" int Py_BytesMain(int, char**); int main(int n, char** given) { return Py_BytesMain(n, given); }' |
        "$compiler" -fsanitize=thread -x c++ - -L"$library" -Wl,-rpath,"$library" \
            -l"python$(config 'sysconfig.get_config_var("LDVERSION")')" -o "build/sanitize/$kind/python"
    PYTHONPATH=$PYTHONPATH:$(config '":".join(sys.path)') PYTHONHOME=$(config sys.base_prefix) \
        "build/sanitize/$kind/python" -m tests.whole.test_threads || status=$?
else
    # test_cuda_module asks NVRTC alone, which does not find its own parts beside a preloaded runtime.
    LD_PRELOAD=$("$compiler" -print-runtime-dir)/libclang_rt.$runtime-x86_64.so "$python" -m pytest \
        -p no:cacheprovider -q -m "not slow and not gpu" tests/kernels tests/whole/test_{threads,cuda_golden}.py \
        --ignore tests/kernels/test_cuda_module.py "$@" || status=$?
fi
if compgen -G "$found.*" >/dev/null; then
    cat "$found".*
    status=1
fi
echo "$kind: $([ "$status" = 0 ] && echo "nothing found" || echo "failed")"
exit "$status"
