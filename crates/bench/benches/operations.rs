//! Statistics of single operations, with criterion: `cargo bench -p bench`. What is compared is in
//! the table of `cargo xtask bench`, which is interleaved.

use bench::operation::Pool;
use bench::operations::ALL;
use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, make) in ALL {
        let mut group = criterion.benchmark_group(*name);
        for mut way in make(Pool(256)).ways {
            group.bench_function(way.who, |bencher| bencher.iter(&mut way.run));
        }
        group.finish();
    }
    criterion.final_summary();
}
