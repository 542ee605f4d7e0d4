// Several parallel loops after one another on the same threads.
//
// They are the OpenMP threads of the process if it has any, which are torch's: after each of torch's operations these
// go on spinning for milliseconds, and other threads would have to share the cores with them.

#pragma once
#include <dlfcn.h>

#include <deque>
#include <functional>

#include "common/parallel.h"

struct Phase {
    long long tasks;
    std::function<void(long long)> run;
};

// The first task of a share, of so many.
inline long long share_of(long long tasks, long long share, long long shares) { return tasks * share / shares; }

// work() on each of so many threads, with the caller one of them; OpenMP may grant fewer.
template <class Work>
void run_on_threads(int threads, const Work& work) {
    using RunTeam = void (*)(void (*)(void*), void*, unsigned, unsigned);
    const auto run_team = (RunTeam)dlsym(RTLD_DEFAULT, "GOMP_parallel");
    if (threads < 2 || !run_team) return parallel_for(threads, threads, [&](long long) { work(); });
    run_team([](void* pointer) { (*(const Work*)pointer)(); }, (void*)&work, (unsigned)threads, 0);
}

// Which of the threads of run_phases this one is, from 0.
inline thread_local int thread_in_phases = 0;

// A phase starts when all tasks of the one before it are done. Each thread has a share of every phase's tasks, which it
// takes first, so that what it wrote is still in its own core's cache: cores that share none take six times as long to
// hand a line over. Then it helps with the others'; which thread runs a task never shows in its result.
inline void run_phases(int threads, const std::vector<Phase>& phases) {
    struct Progress {
        std::vector<std::atomic<long long>> next;
        std::atomic<long long> done{0};
        Progress(long long tasks, int shares) : next(shares) {
            for (int share = 0; share < shares; share++) next[share] = share_of(tasks, share, shares);
        }
    };
    std::deque<Progress> progress;
    for (const Phase& phase : phases) progress.emplace_back(phase.tasks, threads);
    const auto caller = std::this_thread::get_id();
    std::atomic<int> others{0};
    run_on_threads(threads, [&] {
        const int own = thread_in_phases = std::this_thread::get_id() == caller ? 0 : ++others;
        for (size_t p = 0; p < phases.size(); p++) {
            const long long tasks = phases[p].tasks;
            for (int i = 0; i < threads; i++) {
                const int share = (own + i) % threads;
                const long long end = share_of(tasks, share + 1, threads);
                for (long long task = progress[p].next[share]++; task < end; task = progress[p].next[share]++) {
                    phases[p].run(task);
                    progress[p].done++;
                }
            }
            while (progress[p].done < tasks) std::this_thread::yield();
        }
    });
}
