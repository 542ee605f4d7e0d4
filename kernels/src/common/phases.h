// Several parallel loops after one another on the same threads.
//
// They are the OpenMP threads of the process if it has any, which are torch's: after each of torch's operations these
// go on spinning for milliseconds, and other threads would have to share the cores with them.

#pragma once
#include <dlfcn.h>

#include <functional>

#include "common/parallel.h"

struct Phase {
    long long tasks;
    std::function<void(long long)> run;
};

// work() on each of so many threads, with the caller one of them; OpenMP may grant fewer.
template <class Work>
void run_on_threads(int threads, const Work& work) {
    using RunTeam = void (*)(void (*)(void*), void*, unsigned, unsigned);
    const auto run_team = (RunTeam)dlsym(RTLD_DEFAULT, "GOMP_parallel");
    if (threads < 2 || !run_team) return parallel_for(threads, threads, [&](long long) { work(); });
    run_team([](void* pointer) { (*(const Work*)pointer)(); }, (void*)&work, (unsigned)threads, 0);
}

// A phase starts when all tasks of the one before it are done; which thread runs a task never shows in its result.
inline void run_phases(int threads, const std::vector<Phase>& phases) {
    struct Progress {
        std::atomic<long long> next{0}, done{0};
    };
    std::vector<Progress> progress(phases.size());
    run_on_threads(threads, [&] {
        for (size_t p = 0; p < phases.size(); p++) {
            const long long tasks = phases[p].tasks;
            for (long long i = progress[p].next++; i < tasks; i = progress[p].next++) {
                phases[p].run(i);
                progress[p].done++;
            }
            while (progress[p].done < tasks) std::this_thread::yield();
        }
    });
}
