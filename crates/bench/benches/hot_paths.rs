//! `cargo bench -p pawl-bench`: what the core's hot paths take, in time for each time that one is gone through.

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pawl_bench::PROGRAMS;

const COUNT: u64 = 1_000;

fn hot_paths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hot paths");
    group.throughput(Throughput::Elements(COUNT));
    group.sample_size(30).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    for program in PROGRAMS {
        group.bench_function(program.name, |bencher| {
            // What it leaves is dropped after the clock has stopped.
            bencher.iter_batched_ref(
                || (program.prepare)(COUNT),
                |world| program.run(world, COUNT),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, hot_paths);
criterion_main!(benches);
